// The cases of tests/inferlets/test_conformance.py in C.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inferlet.h"

__attribute__((import_module("pie:inferlet/host@1.0.0"), import_name("submit")))
void raw_submit(const char *data, size_t size);
__attribute__((import_module("pie:inferlet/host@1.0.0"), import_name("wait")))
void raw_wait(void *result);

typedef bool Case(const il_json *input, il_buffer *result);
#define CASE(name) static bool name(const il_json *input, il_buffer *result)
#define UNUSED (void)input, (void)result

static void put_bool(il_buffer *out, bool value) { il_put_raw(out, value ? "true" : "false"); }

static void submit_text(const char *text) { raw_submit(text, strlen(text)); }

CASE(echo) {
    il_put_json(result, il_get(input, "value"));
    return true;
}

CASE(parse) {
    const il_json *texts = il_get(input, "texts");
    il_put_raw(result, "[");
    for (const il_json *text = texts->first; text; text = text->next) {
        il_json *value = il_json_parse(text->text, text->size, NULL);
        if (text != texts->first) il_put_raw(result, ",");
        il_put_raw(result, value ? "[" : "\"invalid_json\"");
        if (value) {
            il_put_json(result, value);
            il_put_raw(result, "]");
        }
        il_json_free(value);
    }
    il_put_raw(result, "]");
    return true;
}

CASE(model) {
    UNUSED;
    il_model loaded;
    il_tokens encoded;
    il_buffer text = {0};
    uint32_t plain[] = {104, 105};
    IL_TRY(il_model_load(&loaded, NULL));
    IL_TRY(il_encode(&loaded, "aü", &encoded));
    IL_TRY(il_decode(&loaded, (il_tokens){plain, 2}, false, &text));
    il_put_raw(result, "[");
    il_put_text(result, loaded.name);
    uint32_t numbers[] = {loaded.vocab_size, loaded.page_size, loaded.max_context_tokens};
    for (int i = 0; i < 3; i++) {
        il_put_raw(result, ",");
        il_put_int(result, numbers[i]);
    }
    il_put_raw(result, ",");
    il_put_tokens(result, loaded.eos_tokens, loaded.eos_count);
    il_put_raw(result, ",");
    il_put_tokens(result, encoded.tokens, encoded.count);
    il_put_raw(result, ",");
    il_put_text(result, text.data);
    il_put_raw(result, "]");
    il_tokens_free(&encoded);
    il_buffer_free(&text);
    return true;
}

CASE(context) {
    UNUSED;
    il_model loaded;
    il_context ctx, branch, again, none;
    il_completion reply;
    size_t lengths[4];
    bool found, there;
    uint32_t a = 65, b = 66;
    IL_TRY(il_model_load(&loaded, "fake"));
    IL_TRY(il_context_create(&ctx, &loaded, true));
    il_system(&ctx, "S");
    il_user(&ctx, "U");
    il_assistant(&ctx, "A");
    IL_TRY(il_flush(&ctx));
    IL_TRY(il_context_fork(&ctx, &branch));
    il_append(&branch, &a, 1);
    il_append(&branch, &b, 1);
    IL_TRY(il_flush(&branch));
    IL_TRY(il_context_length(&branch, &lengths[1]));
    IL_TRY(il_context_truncate(&branch, 3));
    il_text(&branch, "T");
    il_how how = {.max_tokens = 8, .stream = true};
    IL_TRY(il_complete(&branch, IL_ARGMAX, how, &reply));
    IL_TRY(il_context_save(&branch, "x"));
    IL_TRY(il_context_open(&again, &loaded, "x", &found));
    IL_TRY(il_context_open(&none, &loaded, "y", &there));
    IL_TRY(il_context_length(&ctx, &lengths[0]));
    IL_TRY(il_context_length(&branch, &lengths[2]));
    IL_TRY(il_context_length(&again, &lengths[3]));
    for (int i = 0; i < 4; i++) {
        il_put_raw(result, i ? "," : "[");
        il_put_int(result, (int64_t)lengths[i]);
    }
    il_put_raw(result, ",");
    put_bool(result, found && !there);
    il_put_raw(result, ",");
    il_put_text(result, reply.text);
    il_put_raw(result, ",");
    il_put_tokens(result, reply.tokens.tokens, reply.tokens.count);
    il_put_raw(result, ",");
    il_put_text(result, reply.finish_reason);
    il_put_raw(result, ",");
    il_put_int(result, (int64_t)reply.length);
    il_put_raw(result, "]");
    il_completion_free(&reply);
    il_context_release(&branch);
    return true;
}

CASE(steps) {
    UNUSED;
    il_model loaded;
    il_context ctx, other;
    il_answer answer;
    uint32_t start = 65, tokens[4], more[] = {80, 81};
    IL_TRY(il_model_load(&loaded, NULL));
    IL_TRY(il_context_create(&ctx, &loaded, true));
    il_append(&ctx, &start, 1);
    for (int i = 0; i < 4; i++) IL_TRY(il_step(&ctx, IL_ARGMAX, &tokens[i]));
    IL_TRY(il_context_create(&other, &loaded, true));
    il_append(&other, more, 2);
    IL_TRY(il_forward(&other, NULL, "[{\"index\":-1,\"top_k\":2}]", &answer));
    const il_json *top = il_at(il_get(answer.value, "distributions"), 0);
    il_put_raw(result, "[");
    il_put_tokens(result, tokens, 4);
    il_put_raw(result, ",");
    il_put_json(result, il_get(top, "tokens"));
    il_put_raw(result, ",");
    il_put_json(result, il_get(top, "probabilities"));
    il_put_raw(result, "]");
    il_answer_free(&answer);
    return true;
}

CASE(generates) {
    il_model loaded;
    il_context ctx;
    uint32_t token = 65;
    IL_TRY(il_model_load(&loaded, "fake"));
    IL_TRY(il_context_create(&ctx, &loaded, true));
    il_append(&ctx, &token, 1);
    for (int64_t n = il_as_int(il_get(input, "count"), 0); n > 0; n--)
        IL_TRY(il_step(&ctx, IL_ARGMAX, &token));
    il_put_int(result, token);
    return true;
}

CASE(stops) {
    UNUSED;
    il_model loaded;
    il_context ctx;
    il_completion reply;
    IL_TRY(il_model_load(&loaded, "fake"));
    IL_TRY(il_context_create(&ctx, &loaded, true));
    il_user(&ctx, "U");
    IL_TRY(il_complete(&ctx, IL_ARGMAX, (il_how){.max_tokens = 8, .stop = "END"}, &reply));
    il_completion_free(&reply);
    return true;
}

CASE(tool) {
    UNUSED;
    il_answer schemas;
    il_tool_result good, bad;
    IL_TRY(il_tool_call("calculator", "{\"expression\":\"2+2\"}", &good));
    IL_TRY(il_tool_call("calculator", "{\"expression\":\"1/0\"}", &bad));
    IL_TRY(il_tools_list(&schemas));
    il_put_raw(result, "[");
    il_put_int(result, (int64_t)schemas.value->size);
    const il_tool_result *results[] = {&good, &bad};
    for (int i = 0; i < 2; i++) {
        il_put_raw(result, ",");
        il_put_text(result, results[i]->content);
        il_put_raw(result, ",");
        put_bool(result, results[i]->is_error);
    }
    il_put_raw(result, "]");
    return true;
}

CASE(talk) {
    UNUSED;
    il_answer one, two;
    IL_TRY(il_send("hello"));
    IL_TRY(il_send_json("{\"n\":1}"));
    IL_TRY(il_receive(&one));
    IL_TRY(il_receive(&two));
    il_put_raw(result, "[");
    il_put_json(result, one.value);
    il_put_raw(result, ",");
    il_put_json(result, two.value);
    il_put_raw(result, "]");
    return true;
}

CASE(about) {
    UNUSED;
    double seconds;
    int64_t seed;
    IL_TRY(il_log("warning", "note"));
    IL_TRY(il_time(&seconds));
    IL_TRY(il_random_seed(&seed));
    il_put_raw(result, "[");
    il_put_float(result, seconds);
    il_put_raw(result, ",");
    il_put_int(result, seed);
    static const char *const ops[] = {"runtime.version", "session.info"};
    for (int i = 0; i < 2; i++) {
        il_answer answer;
        il_call call = il_begin(ops[i]);
        IL_TRY(il_control(&call, &answer));
        il_put_raw(result, ",");
        il_put_json(result, i ? il_get(answer.value, "id") : answer.value);
        il_answer_free(&answer);
    }
    il_put_raw(result, "]");
    return true;
}

CASE(printing) {
    UNUSED;
    printf("one\n");
    printf("two\n");
    return true;
}

CASE(concurrent) {
    UNUSED;
    il_id ids[] = {
        il_start_tool_call("calculator", "{}", NULL), il_start_tool_call("python", "{}", NULL)};
    for (int i = 0; i < 2; i++) {
        il_tool_result answer;
        IL_TRY(il_finish_tool_call(ids[i], &answer));
        il_put_raw(result, i ? "," : "[");
        il_put_text(result, answer.content);
        il_answer_free(&answer.answer);
    }
    il_put_raw(result, "]");
    return true;
}

CASE(many) {
    UNUSED;
    static il_id ids[500];
    char text[32];
    bool equal = true;
    for (int n = 0; n < 500; n++) {
        snprintf(text, sizeof text, "{\"n\":%d}", n);
        IL_TRY(ids[n] = il_start_tool_call("python", text, NULL));
    }
    for (int n = 0; n < 500; n++) {
        il_tool_result answer;
        IL_TRY(il_finish_tool_call(ids[n], &answer));
        snprintf(text, sizeof text, "%d", n);
        equal = equal && strcmp(answer.content, text) == 0;
        il_answer_free(&answer.answer);
    }
    put_bool(result, equal);
    return true;
}

CASE(timed) {
    UNUSED;
    il_answer answer;
    il_call call = il_begin("session.receive");
    il_put_text(result, il_wait_for(il_start(&call), 0.01, &answer) ? "received" : il_error()->code);
    return true;
}

CASE(cancelled) {
    UNUSED;
    il_call call = il_begin("session.receive");
    il_id id = il_start(&call);
    IL_TRY(il_sleep(0));
    il_cancel(id);
    IL_TRY(il_sleep(0));
    il_put_text(result, "cancelled");
    return true;
}

CASE(first) {
    UNUSED;
    il_call receive = il_begin("session.receive");
    il_id ids[] = {il_start(&receive), il_start_tool_call("python", "{}", NULL)};
    il_tool_result answer;
    size_t place = il_wait_any(ids, 2);
    IL_TRY(il_finish_tool_call(ids[place], &answer));
    il_cancel(ids[1 - place]);
    il_put_text(result, answer.content);
    return true;
}

CASE(caught) {
    UNUSED;
    il_model loaded;
    if (il_model_load(&loaded, "none")) return il_fail("value_error", "there is such a model");
    const il_failure *error = il_error();
    const char *const parts[] = {error->code, error->message, error->hint, error->operation};
    for (int i = 0; i < 4; i++) {
        il_put_raw(result, i ? "," : "[");
        il_put_text(result, parts[i]);
    }
    il_put_raw(result, "]");
    return true;
}

static bool code_of(il_call call, il_buffer *result) {
    if (il_wait(il_start(&call), NULL)) return il_fail("value_error", "it was accepted");
    il_put_text(result, il_error()->code);
    return true;
}

static bool put_answer(il_call call, const char *field, il_buffer *result) {
    il_answer answer;
    IL_TRY(il_wait(il_start(&call), &answer));
    il_put_json(result, field ? il_get(answer.value, field) : answer.value);
    il_answer_free(&answer);
    return true;
}

CASE(shares) {
    UNUSED;
    il_answer child;
    il_call push = il_begin("messaging.push"), pull = il_begin("messaging.pull");
    il_arg_text(&push, "topic", "jobs");
    il_arg_json(&push, "message", "{\"n\":1}");
    IL_TRY(il_control(&push, NULL));
    il_arg_text(&pull, "topic", "jobs");
    il_put_raw(result, "[");
    IL_TRY(put_answer(pull, "message", result));
    il_call put = il_begin("store.put"), get = il_begin("store.get");
    il_arg_text(&put, "key", "k");
    il_arg_json(&put, "value", "[1]");
    il_put_raw(result, ",");
    IL_TRY(put_answer(put, "version", result));
    il_arg_text(&get, "key", "k");
    il_put_raw(result, ",");
    IL_TRY(put_answer(get, "value", result));
    il_call launch = il_begin("runtime.launch"), join = il_begin("child.join");
    il_arg_text(&launch, "program", "echo");
    il_arg_json(&launch, "arguments", "{\"x\":2}");
    IL_TRY(il_control(&launch, &child));
    il_arg_int(&join, "child", il_as_int(il_get(child.value, "child"), 0));
    il_answer_free(&child);
    il_put_raw(result, ",");
    IL_TRY(put_answer(join, NULL, result));
    il_put_raw(result, "]");
    return true;
}

CASE(unknown_operation) {
    UNUSED;
    il_call call = il_begin("no.such");
    il_arg_int(&call, "x", 1);
    return code_of(call, result);
}

CASE(bad_handle) {
    UNUSED;
    il_call call = il_begin("context.flush");
    il_arg_int(&call, "context", 77);
    il_arg_json(&call, "fill", "[]");
    return code_of(call, result);
}

CASE(too_large) {
    UNUSED;
    static char text[100001];
    memset(text, 'x', sizeof text - 1);
    il_call call = il_begin("session.send");
    il_arg_text(&call, "message", text);
    return code_of(call, result);
}

CASE(raises) {
    UNUSED;
    return il_fail("value_error", "no such %s", "luck");
}

CASE(uncaught) {
    UNUSED;
    il_model loaded;
    IL_TRY(il_model_load(&loaded, "none"));
    return true;
}

CASE(panics) {
    UNUSED;
    abort();
}

CASE(exits) {
    UNUSED;
    exit(3);
}

CASE(spins) {
    UNUSED;
    for (volatile int n = 0;; n++) continue;
}

CASE(allocates) {
    UNUSED;
    static const char filler[1 << 16];
    for (;;) il_put(result, filler, sizeof filler);
}

__attribute__((noinline)) static int descend(int depth) {
    volatile char deeper[512];
    deeper[depth % 512] = (char)depth;
    return descend(depth + 1) + deeper[depth % 512];
}

CASE(recurses) {
    (void)input;
    il_put_int(result, descend(0));
    return true;
}

CASE(floods) {
    UNUSED;
    char text[64];
    for (int n = 1;; n++) {
        snprintf(text, sizeof text, "[{\"id\":%d,\"op\":\"runtime.time\"}]", n);
        submit_text(text);
    }
}

static void wait_for_mail(void) {
    size_t mail[2];
    raw_wait(mail);
}

CASE(waits) {
    UNUSED;
    wait_for_mail();
    return true;
}

CASE(repeats) {
    UNUSED;
    for (int n = 0; n < 2; n++) submit_text("[{\"id\":900,\"op\":\"runtime.sleep\",\"seconds\":9}]");
    wait_for_mail();
    return true;
}

CASE(talks_nonsense) {
    UNUSED;
    submit_text("hello");
    wait_for_mail();
    return true;
}

CASE(large_result) {
    il_put_raw(result, "\"");
    for (int64_t n = il_as_int(il_get(input, "size"), 0); n > 0; n--) il_put_raw(result, "x");
    il_put_raw(result, "\"");
    return true;
}

CASE(leaves) {
    UNUSED;
    for (int n = 0; n < 5; n++) {
        il_call call = il_begin("runtime.sleep");
        il_arg_float(&call, "seconds", 3600);
        IL_TRY(il_start(&call));
    }
    IL_TRY(il_sleep(0));
    il_put_text(result, "left");
    return true;
}

static const struct {
    const char *name;
    Case *run;
} cases[] = {
#define ENTRY(name) {#name, name}
    ENTRY(echo), ENTRY(parse), ENTRY(model), ENTRY(context), ENTRY(steps), ENTRY(generates), ENTRY(stops), ENTRY(tool), ENTRY(talk), ENTRY(shares),
    ENTRY(about), ENTRY(printing), ENTRY(concurrent), ENTRY(many), ENTRY(timed),
    ENTRY(cancelled), ENTRY(first), ENTRY(caught), ENTRY(unknown_operation), ENTRY(bad_handle),
    ENTRY(too_large), ENTRY(raises), ENTRY(uncaught), ENTRY(panics), ENTRY(exits), ENTRY(spins),
    ENTRY(allocates), ENTRY(recurses), ENTRY(floods), ENTRY(waits), ENTRY(repeats),
    ENTRY(talks_nonsense), ENTRY(large_result), ENTRY(leaves),
};

bool inferlet_main(const il_json *input, il_buffer *result) {
    const char *name = il_as_text(il_get(input, "case"), "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, name) == 0) return cases[i].run(input, result);
    return il_fail("unknown_case", "%s", name);
}
