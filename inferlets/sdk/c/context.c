// Contexts: one sequence of tokens with its KV cache, kept by the server.

#include <stdlib.h>
#include <string.h>

#include "internal.h"

static bool adopt(il_context *ctx, const il_model *model, il_answer *answer) {
    *ctx = (il_context){.handle = il_as_int(il_get(answer->value, "context"), 0), .model = *model};
    il_answer_free(answer);
    return true;
}

bool il_context_create(il_context *ctx, const il_model *model, bool prefix_reuse) {
    il_answer answer;
    il_call call = il_begin("context.create");
    il_arg_text(&call, "model", model->name);
    il_arg_bool(&call, "prefix_reuse", prefix_reuse);
    return il_control(&call, &answer) && adopt(ctx, model, &answer);
}

bool il_context_open(il_context *ctx, const il_model *model, const char *name, bool *found) {
    il_answer answer;
    il_call call = il_begin("context.open");
    il_arg_text(&call, "model", model->name);
    il_arg_text(&call, "name", name);
    if (!il_control(&call, &answer)) return false;
    *found = answer.value->kind == IL_OBJECT;
    return adopt(ctx, model, &answer);
}

bool il_context_fork(const il_context *ctx, il_context *copy) {
    il_answer answer;
    il_call call = il_begin("context.fork");
    il_arg_int(&call, "context", ctx->handle);
    if (!il_control(&call, &answer)) return false;
    adopt(copy, &ctx->model, &answer);
    if (ctx->fill.size) il_put(&copy->fill, ctx->fill.data, ctx->fill.size);
    return true;
}

bool il_context_truncate(il_context *ctx, size_t count) {
    size_t length;
    if (!il_context_length(ctx, &length)) return false;
    if (count > length)
        return il_fail_at("", 0, "value_error", "cannot drop %zu of %zu tokens", count, length);
    il_call call = il_begin("context.truncate");
    il_arg_int(&call, "context", ctx->handle);
    il_arg_int(&call, "length", (int64_t)(length - count));
    return il_control(&call, NULL);
}

bool il_context_save(const il_context *ctx, const char *name) {
    il_call call = il_begin("context.save");
    il_arg_int(&call, "context", ctx->handle);
    il_arg_text(&call, "name", name);
    return il_control(&call, NULL);
}

bool il_context_length(const il_context *ctx, size_t *length) {
    il_answer answer;
    il_call call = il_begin("context.info");
    il_arg_int(&call, "context", ctx->handle);
    if (!il_control(&call, &answer)) return false;
    *length = (size_t)il_as_int(il_get(answer.value, "tokens"), 0);
    il_answer_free(&answer);
    return true;
}

void il_context_release(il_context *ctx) {
    il_call call = il_begin("context.release");
    il_arg_int(&call, "context", ctx->handle);
    il_control(&call, NULL);
    il_buffer_free(&ctx->fill);
}

// Fillers

static void begin_segment(il_context *ctx, const char *kind) {
    il_put_raw(&ctx->fill, ctx->fill.size ? ",{" : "{");
    il_put_text(&ctx->fill, kind);
    il_put_raw(&ctx->fill, ":");
}

static void note_text(il_context *ctx, const char *kind, const char *text) {
    begin_segment(ctx, kind);
    il_put_text(&ctx->fill, text);
    il_put_raw(&ctx->fill, "}");
}

static void note_json(il_context *ctx, const char *kind, const char *json) {
    begin_segment(ctx, kind);
    il_put_raw(&ctx->fill, json);
    il_put_raw(&ctx->fill, "}");
}

void il_system(il_context *ctx, const char *text) { note_text(ctx, "system", text); }
void il_user(il_context *ctx, const char *text) { note_text(ctx, "user", text); }
void il_assistant(il_context *ctx, const char *text) { note_text(ctx, "assistant", text); }
void il_text(il_context *ctx, const char *text) { note_text(ctx, "text", text); }
void il_tools(il_context *ctx, const char *json) { note_json(ctx, "tools", json); }
void il_seal(il_context *ctx) { note_json(ctx, "seal", "true"); }

void il_tool_message(il_context *ctx, const char *content) {
    begin_segment(ctx, "message");
    il_put_raw(&ctx->fill, "{\"role\":\"tool\",\"content\":");
    il_put_text(&ctx->fill, content);
    il_put_raw(&ctx->fill, "}}");
}

void il_cue(il_context *ctx) {
    static const char cue[] = "{\"cue\":true}";
    size_t size = sizeof cue - 1;
    bool cued = ctx->fill.size >= size && !memcmp(ctx->fill.data + ctx->fill.size - size, cue, size);
    if (!cued) note_json(ctx, "cue", "true");
}

void il_append(il_context *ctx, const uint32_t *tokens, size_t count) {
    if (!count) return;
    begin_segment(ctx, "tokens");
    il_put_tokens(&ctx->fill, tokens, count);
    il_put_raw(&ctx->fill, "}");
}

// Operations of the model

static il_call begin_run(il_context *ctx, const char *op) {
    il_call call = il_begin(op);
    il_buffer fill = {0};
    il_put_raw(&fill, "[");
    if (ctx->fill.size) il_put(&fill, ctx->fill.data, ctx->fill.size);
    il_put_raw(&fill, "]");
    il_arg_int(&call, "context", ctx->handle);
    il_arg_json(&call, "fill", fill.data);
    il_buffer_free(&fill);
    return call;
}

// Whether the server has refused the operation before it changed anything.
static bool refused(void) {
    static const char *const codes[] = {
        "context_too_long", "invalid_arguments", "invalid_request", "message_too_large",
        "operations_exceeded", "pages_exceeded", "template_error",
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(il_error()->code, codes[i]) == 0) return true;
    return false;
}

// What is noted stays noted if the server refuses it, so that it can be tried again.
static bool run(il_context *ctx, il_call *call, il_answer *answer) {
    bool good = il_wait(il_start(call), answer);
    if (good || !refused()) ctx->fill.size = 0;
    return good;
}

bool il_flush(il_context *ctx) {
    il_call call = begin_run(ctx, "context.flush");
    return run(ctx, &call, NULL);
}

void il_put_sampler(il_buffer *buffer, il_sampler sampler) {
    il_put_raw(buffer, "{\"temperature\":");
    il_put_float(buffer, sampler.temperature);
    il_put_raw(buffer, ",\"top_p\":");
    il_put_float(buffer, sampler.top_p > 0 ? sampler.top_p : 1);
    il_put_raw(buffer, ",\"top_k\":");
    il_put_int(buffer, sampler.top_k);
    il_put_raw(buffer, ",\"min_p\":");
    il_put_float(buffer, sampler.min_p);
    il_put_raw(buffer, ",\"seed\":");
    if (sampler.seeded) il_put_int(buffer, sampler.seed);
    else il_put_raw(buffer, "null");
    il_put_raw(buffer, "}");
}

static il_call begin_complete(il_context *ctx, il_sampler sampler, il_how how) {
    il_buffer text = {0};
    if (!how.uncued) il_cue(ctx);
    il_call call = begin_run(ctx, "context.generate");
    il_put_sampler(&text, sampler);
    il_arg_json(&call, "sampler", text.data);
    il_arg_int(&call, "max_tokens", how.max_tokens ? how.max_tokens : 256);
    il_arg_bool(&call, "ignore_eos", how.ignore_eos);
    if (how.stream) il_arg_text(&call, "stream", "text");
    if (how.stop) {
        text.size = 0;
        il_put_raw(&text, "[");
        il_put_text(&text, how.stop);
        il_put_raw(&text, "]");
        il_arg_json(&call, "stop", text.data);
    }
    il_buffer_free(&text);
    return call;
}

static bool take_completion(il_completion *reply) {
    const il_json *raw = reply->answer.value;
    reply->text = il_as_text(il_get(raw, "text"), "");
    reply->content = il_as_text(il_get(raw, "content"), "");
    reply->finish_reason = il_as_text(il_get(raw, "finish_reason"), "");
    reply->tool_calls = il_get(raw, "tool_calls");
    reply->logprob = il_as_float(il_get(raw, "logprob"), 0);
    reply->length = (size_t)il_as_int(il_get(raw, "length"), 0);
    return il_tokens_of(il_get(raw, "tokens"), &reply->tokens);
}

bool il_complete(il_context *ctx, il_sampler sampler, il_how how, il_completion *reply) {
    il_call call = begin_complete(ctx, sampler, how);
    *reply = (il_completion){0};
    return run(ctx, &call, &reply->answer) && take_completion(reply);
}

il_id il_start_complete(il_context *ctx, il_sampler sampler, il_how how) {
    il_call call = begin_complete(ctx, sampler, how);
    il_id id = il_start(&call);
    if (id) ctx->fill.size = 0;
    return id;
}

bool il_finish_complete(il_id id, il_completion *reply) {
    *reply = (il_completion){0};
    return il_wait(id, &reply->answer) && take_completion(reply);
}

void il_completion_free(il_completion *reply) {
    il_tokens_free(&reply->tokens);
    il_answer_free(&reply->answer);
    *reply = (il_completion){0};
}

bool il_forward(il_context *ctx, const char *samplers, const char *distributions, il_answer *answer) {
    if (!ctx->fill.size) return il_fail_at("", 0, "value_error", "a forward pass needs input");
    il_call call = begin_run(ctx, "context.forward");
    il_arg_json(&call, "samplers", samplers ? samplers : "[]");
    il_arg_json(&call, "distributions", distributions ? distributions : "[]");
    return run(ctx, &call, answer);
}

bool il_step(il_context *ctx, il_sampler sampler, uint32_t *token) {
    il_answer answer;
    il_buffer samplers = {0};
    il_put_raw(&samplers, "[{\"index\":-1,\"sampler\":");
    il_put_sampler(&samplers, sampler);
    il_put_raw(&samplers, "}]");
    bool good = il_forward(ctx, samplers.data, NULL, &answer);
    il_buffer_free(&samplers);
    if (!good) return false;
    *token = (uint32_t)il_as_int(il_at(il_get(answer.value, "tokens"), 0), 0);
    il_answer_free(&answer);
    il_append(ctx, token, 1);
    return true;
}
