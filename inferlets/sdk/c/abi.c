// The border of the guest: `submit` and `wait` in, `run` out, and what C's library wants of a system.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

#define PRINT_LIMIT_BYTES 16384

typedef struct {
    char *data;
    size_t size;
} Text;

IMPORT("pie:inferlet/host@1.0.0", "submit") void host_submit(const char *data, size_t size);
IMPORT("pie:inferlet/host@1.0.0", "wait") void host_wait(Text *result);
IMPORT("wasi:clocks/monotonic-clock@0.2.0", "now") uint64_t host_monotonic_nanoseconds(void);
IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t host_random(void);

static char printed[PRINT_LIMIT_BYTES + 1];
static size_t printed_size;
static uint64_t epoch_nanoseconds;  // what the monotonic clock is ahead of 1970

static const char out_of_memory[] =
    "[{\"id\":0,\"op\":\"fail\",\"error\":"
    "{\"exception\":\"MemoryError\",\"message\":\"out of memory\"}}]";

void *il_reallocate(void *old, size_t size) {
    void *made = realloc(old, size ? size : 1);
    if (made) return made;
    host_submit(out_of_memory, sizeof out_of_memory - 1);
    abort();
}

void *il_allocate(size_t size) { return il_reallocate(NULL, size); }

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size) {
    (void)old_size, (void)alignment;
    return il_reallocate(old, size);
}

void il_host_submit(const char *data, size_t size) { host_submit(data, size); }

void il_host_wait(char **data, size_t *size) {
    Text mail;
    host_wait(&mail);
    *data = mail.data;
    *size = mail.size;
}

double il_monotonic(void) { return (double)host_monotonic_nanoseconds() / 1e9; }

void il_send_printed(void) {
    if (!printed_size) return;
    size_t size = printed[printed_size - 1] == '\n' ? printed_size - 1 : printed_size;
    printed[size] = 0;
    printed_size = 0;
    il_call call = il_begin("log");
    il_arg_text(&call, "level", "info");
    il_arg_text(&call, "message", printed);
    il_id id = il_start(&call);
    (void)id;  // nobody waits for it
}

static bool launch_main(const char *given, size_t size, il_buffer *result) {
    const char *problem;
    il_json *launch = il_json_parse(given, size, &problem);
    if (!launch) return il_fail("invalid_json", "the arguments cannot be read: %s", problem);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    il_configure(il_get(launch, "limits"));
    double seconds = il_as_float(il_get(launch, "time"), 0);
    epoch_nanoseconds = (uint64_t)(seconds * 1e9) - host_monotonic_nanoseconds();
    return inferlet_main(il_get(launch, "arguments"), result);
}

EXPORT("run")
void *run(char *source, size_t source_size, char *given, size_t given_size) {
    static struct {
        uint32_t failed;
        Text text;
    } returned;
    (void)source, (void)source_size;  // compiled programs have none
    il_buffer result = {0};
    returned.failed = !launch_main(given, given_size, &result);
    if (returned.failed) {
        result.size = 0;
        il_describe_error(&result);
    }
    if (!result.size) il_put_raw(&result, "null");
    fflush(NULL);
    il_send_printed();
    il_flush_operations();
    returned.text = (Text){result.data, result.size};
    return &returned;
}

// C's library asks WASI for these; whatever else it asks for is refused with ENOSYS.

int32_t __imported_wasi_snapshot_preview1_clock_time_get(
    int32_t clock, int64_t precision, int32_t result) {
    (void)precision;
    uint64_t now = host_monotonic_nanoseconds() + (clock == 0 ? epoch_nanoseconds : 0);
    memcpy((void *)result, &now, sizeof now);
    return 0;
}

int32_t __imported_wasi_snapshot_preview1_random_get(int32_t buffer, int32_t size) {
    for (int32_t done = 0; done < size; done += 8) {
        uint64_t bits = host_random();
        memcpy((char *)buffer + done, &bits, (size_t)(size - done < 8 ? size - done : 8));
    }
    return 0;
}

// Standard output and error go to the log, as much of it as fits before the next wait.
int32_t __imported_wasi_snapshot_preview1_fd_write(
    int32_t file, int32_t parts, int32_t count, int32_t written) {
    static const int32_t bad_file = 8;
    if (file != 1 && file != 2) return bad_file;
    const Text *texts = (const Text *)parts;
    size_t total = 0;
    for (int32_t i = 0; i < count; total += texts[i].size, i++) {
        size_t room = PRINT_LIMIT_BYTES - printed_size;
        size_t size = texts[i].size < room ? texts[i].size : room;
        if (size) memcpy(printed + printed_size, texts[i].data, size);
        printed_size += size;
    }
    memcpy((void *)written, &total, sizeof total);
    return 0;
}

// exit() and abort(): nothing may return, so the server learns of it by a trap.
_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t status) {
    char words[160];
    int size = snprintf(words, sizeof words,
        "[{\"id\":0,\"op\":\"fail\",\"error\":{\"exception\":\"SystemExit\",\"message\":"
        "\"exit status %d: return from inferlet_main instead\"}}]", (int)status);
    host_submit(words, (size_t)size);
    __builtin_trap();
}
