// The JavaScript interpreter component: QuickJS, the SDK's modules, and the border of a guest.
//
// Exports `run`, imports `submit` and `wait`; see inferlets/wit/world.wit. The event loop is here:
// promise jobs run until none is left, then the SDK's `pump` submits and waits. What an inferlet's
// source may import is "inferlet" and "inferlet/abi"; there is no file, socket or environment.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"
#include "sdk_modules.h"  // generated: the modules of inferlets/sdk/javascript

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

// Deep recursion must end in a RangeError of JavaScript, before WebAssembly's own stack is full.
#define JS_STACK_BYTES (160 * 1024)

typedef struct {
    char *data;
    size_t size;
} Text;

IMPORT("pie:inferlet/host@1.0.0", "submit") void host_submit(const char *data, size_t size);
IMPORT("pie:inferlet/host@1.0.0", "wait") void host_wait(Text *result);
IMPORT("wasi:clocks/monotonic-clock@0.2.0", "now") uint64_t host_monotonic_nanoseconds(void);
IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t host_random(void);

static char *program_name;  // the inferlet's own module, while it is imported
static char *program_text;
static size_t program_size;
static uint64_t epoch_nanoseconds;  // what the monotonic clock is ahead of 1970

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size) {
    void *made = realloc(old, size ? size : 1);
    if (!made) abort();
    return made;
}

// The C library asks WASI for these; answered here, so that the module needs no WASI at all.

int32_t __imported_wasi_snapshot_preview1_clock_time_get(
    int32_t clock, int64_t precision, int32_t result) {
    uint64_t now = host_monotonic_nanoseconds() + (clock == 0 ? epoch_nanoseconds : 0);
    memcpy((void *)result, &now, sizeof now);
    return 0;
}

int32_t __imported_wasi_snapshot_preview1_random_get(int32_t buffer, int32_t size) {
    for (int32_t done = 0; done < size; done += 8) {
        uint64_t bits = host_random();
        memcpy((char *)buffer + done, &bits, size - done < 8 ? size - done : 8);
    }
    return 0;
}

// inferlet/abi: what the SDK is built on.

static JSValue js_submit(JSContext *ctx, JSValueConst this, int count, JSValueConst *values) {
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, values[0]);
    if (!text) return JS_EXCEPTION;
    host_submit(text, size);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

static JSValue js_wait(JSContext *ctx, JSValueConst this, int count, JSValueConst *values) {
    Text mail;
    host_wait(&mail);
    JSValue text = JS_NewStringLen(ctx, mail.data, mail.size);
    free(mail.data);
    return text;
}

static JSValue js_monotonic(JSContext *ctx, JSValueConst this, int count, JSValueConst *values) {
    return JS_NewFloat64(ctx, (double)host_monotonic_nanoseconds() / 1e9);
}

// set_clock(seconds): what Date is to show now.
static JSValue js_set_clock(JSContext *ctx, JSValueConst this, int count, JSValueConst *values) {
    double seconds;
    if (JS_ToFloat64(ctx, &seconds, values[0])) return JS_EXCEPTION;
    epoch_nanoseconds = (uint64_t)(seconds * 1e9) - host_monotonic_nanoseconds();
    return JS_UNDEFINED;
}

// define(name, text): the inferlet's source, which import(name) finds then.
static JSValue js_define(JSContext *ctx, JSValueConst this, int count, JSValueConst *values) {
    const char *name = JS_ToCString(ctx, values[0]);
    const char *text = name ? JS_ToCStringLen(ctx, &program_size, values[1]) : NULL;
    if (!text) return JS_EXCEPTION;
    program_name = strdup(name);
    program_text = malloc(program_size + 1);
    if (!program_name || !program_text) return JS_ThrowOutOfMemory(ctx);
    memcpy(program_text, text, program_size + 1);
    JS_FreeCString(ctx, name);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry abi_functions[] = {
    JS_CFUNC_DEF("submit", 1, js_submit),
    JS_CFUNC_DEF("wait", 0, js_wait),
    JS_CFUNC_DEF("monotonic", 0, js_monotonic),
    JS_CFUNC_DEF("setClock", 1, js_set_clock),
    JS_CFUNC_DEF("define", 2, js_define),
};
#define ABI_FUNCTIONS (sizeof abi_functions / sizeof *abi_functions)

static int fill_abi(JSContext *ctx, JSModuleDef *module) {
    return JS_SetModuleExportList(ctx, module, abi_functions, ABI_FUNCTIONS);
}

// Modules

static int starts_with(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static char *normalize(JSContext *ctx, const char *base, const char *name, void *opaque) {
    int from_sdk = starts_with(base, "inferlet/") && (!program_name || strcmp(base, program_name));
    if (strcmp(name, "inferlet") == 0) return js_strdup(ctx, "inferlet/index.js");
    if (strcmp(name, "inferlet/abi") == 0) return js_strdup(ctx, "inferlet/abi.js");
    if (from_sdk && program_name && strcmp(name, program_name) == 0) return js_strdup(ctx, name);
    if (from_sdk && starts_with(name, "./")) {
        char *full = js_malloc(ctx, strlen(name) + sizeof "inferlet/");
        if (full) strcat(strcpy(full, "inferlet/"), name + 2);
        return full;
    }
    JS_ThrowReferenceError(
        ctx, "cannot import '%s': an inferlet imports from 'inferlet' only", name);
    return NULL;
}

static JSModuleDef *compile(JSContext *ctx, const char *name, const char *text, size_t size) {
    JSValue compiled =
        JS_Eval(ctx, text, size, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(compiled)) return NULL;
    JSModuleDef *module = JS_VALUE_GET_PTR(compiled);
    JS_FreeValue(ctx, compiled);  // the context keeps its modules
    return module;
}

static JSModuleDef *load(JSContext *ctx, const char *name, void *opaque) {
    if (program_name && strcmp(name, program_name) == 0)
        return compile(ctx, name, program_text, program_size);
    if (strcmp(name, "inferlet/abi.js") == 0) {
        JSModuleDef *abi = JS_NewCModule(ctx, name, fill_abi);
        if (abi) JS_AddModuleExportList(ctx, abi, abi_functions, ABI_FUNCTIONS);
        return abi;
    }
    for (size_t i = 0; i < SDK_MODULES; i++)
        if (strcmp(name, sdk_modules[i].name) == 0)
            return compile(ctx, name, sdk_modules[i].text, sdk_modules[i].size);
    JS_ThrowReferenceError(ctx, "there is no module '%s'", name);
    return NULL;
}

// Running

static JSValue call(JSContext *ctx, JSValueConst module, const char *name, int count, JSValue *values) {
    JSValue function = JS_GetPropertyStr(ctx, module, name);
    JSValue result = JS_Call(ctx, function, JS_UNDEFINED, count, values);
    JS_FreeValue(ctx, function);
    return result;
}

static void note_rejection(
    JSContext *ctx, JSValueConst promise, JSValueConst reason, bool handled, void *opaque) {
    JSValue values[] = {promise, reason, JS_NewBool(ctx, handled)};
    JS_FreeValue(ctx, call(ctx, *(JSValue *)opaque, "noteRejection", 3, values));
}

// Runs promise jobs; when none is left, the SDK waits for the host. Ends when `promise` is settled.
static int settle(JSContext *ctx, JSValueConst module, JSValueConst promise) {
    for (;;) {
        JSContext *job;
        while (JS_ExecutePendingJob(JS_GetRuntime(ctx), &job) > 0) continue;
        if (JS_PromiseState(ctx, promise) != JS_PROMISE_PENDING) return 0;
        JSValue pumped = call(ctx, module, "pump", 0, NULL);
        if (JS_IsException(pumped)) return -1;
        JS_FreeValue(ctx, pumped);
    }
}

// The text of a promise that was fulfilled, or of the error that is thrown or was its rejection.
static int take_text(JSContext *ctx, JSValueConst promise, int thrown, Text *text) {
    int good = !thrown && JS_PromiseState(ctx, promise) == JS_PROMISE_FULFILLED;
    JSValue value = thrown ? JS_GetException(ctx) : JS_PromiseResult(ctx, promise);
    text->data = (char *)JS_ToCStringLen(ctx, &text->size, value);
    return good && text->data;
}

static JSValue load_program_module(JSContext *ctx) {
    JSModuleDef *module = load(ctx, "inferlet/program.js", NULL);
    if (!module) return JS_EXCEPTION;
    JSValue loaded = JS_EvalFunction(ctx, JS_DupValue(ctx, JS_MKPTR(JS_TAG_MODULE, module)));
    if (JS_IsException(loaded)) return loaded;
    JS_FreeValue(ctx, loaded);
    return JS_GetModuleNamespace(ctx, module);
}

// The component's export; `result` is {error: u8, text: string}. The instance ends with it, so what
// it allocated is left to the memory's own end.
EXPORT("run")
void *run(const char *source, size_t source_size, const char *given, size_t given_size) {
    static struct {
        uint32_t failed;
        Text text;
    } result = {1, {NULL, 0}};
    static JSValue module;
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *ctx = runtime ? JS_NewContext(runtime) : NULL;
    if (ctx) {
        JS_SetMaxStackSize(runtime, JS_STACK_BYTES);
        JS_SetModuleLoaderFunc(runtime, normalize, load, NULL);
        module = load_program_module(ctx);
        JS_SetHostPromiseRejectionTracker(runtime, note_rejection, &module);
        JSValue values[] = {
            JS_NewStringLen(ctx, source, source_size), JS_NewStringLen(ctx, given, given_size)};
        JSValue promise = call(ctx, module, "run", 2, values);
        int thrown = JS_IsException(promise) || settle(ctx, module, promise);
        result.failed = !take_text(ctx, promise, thrown, &result.text);
    }
    if (!result.text.data) {
        result.text.data = "{\"exception\": \"MemoryError\", \"message\": \"out of memory\"}";
        result.text.size = strlen(result.text.data);
    }
    return &result;
}
