// Models, tools, the session and the runtime.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool il_model_load(il_model *model, const char *name) {
    il_answer answer;
    *model = (il_model){0};
    if (name) {
        snprintf(model->name, sizeof model->name, "%s", name);
    } else {
        il_call list = il_begin("models.list");
        if (!il_control(&list, &answer)) return false;
        snprintf(model->name, sizeof model->name, "%s", il_as_text(il_at(answer.value, 0), ""));
        il_answer_free(&answer);
    }
    il_call call = il_begin("model.info");
    il_arg_text(&call, "model", model->name);
    if (!il_control(&call, &answer)) return false;
    const il_json *info = answer.value;
    const char *architecture = il_as_text(il_get(info, "architecture"), "");
    snprintf(model->architecture, sizeof model->architecture, "%s", architecture);
    model->vocab_size = (uint32_t)il_as_int(il_get(info, "vocab_size"), 0);
    model->page_size = (uint32_t)il_as_int(il_get(info, "page_size_tokens"), 0);
    model->max_context_tokens = (uint32_t)il_as_int(il_get(info, "max_context_tokens"), 0);
    for (const il_json *token = il_get(info, "eos_tokens")->first; token; token = token->next)
        if (model->eos_count < IL_EOS_TOKENS)
            model->eos_tokens[model->eos_count++] = (uint32_t)il_as_int(token, 0);
    il_answer_free(&answer);
    return true;
}

bool il_ends_turn(const il_model *model, uint32_t token) {
    for (size_t i = 0; i < model->eos_count; i++)
        if (model->eos_tokens[i] == token) return true;
    return false;
}

void il_tokens_add(il_tokens *tokens, uint32_t token) {
    // Room for a power of two of them: it is full exactly when the count is one.
    if ((tokens->count & (tokens->count - 1)) == 0) {
        size_t room = tokens->count ? tokens->count * 2 : 1;
        tokens->tokens = il_reallocate(tokens->tokens, room * sizeof *tokens->tokens);
    }
    tokens->tokens[tokens->count++] = token;
}

void il_tokens_free(il_tokens *tokens) {
    free(tokens->tokens);
    *tokens = (il_tokens){0};
}

bool il_tokens_of(const il_json *list, il_tokens *tokens) {
    *tokens = (il_tokens){0};
    if (list->kind != IL_LIST) return il_fail_at("", 0, "type_error", "tokens must be a list");
    for (const il_json *item = list->first; item; item = item->next) {
        if (item->kind != IL_INT || item->integer < 0 || item->integer > UINT32_MAX) {
            il_tokens_free(tokens);
            return il_fail_at("", 0, "type_error", "a token must be a number from 0 on");
        }
        il_tokens_add(tokens, (uint32_t)item->integer);
    }
    return true;
}

bool il_encode(const il_model *model, const char *text, il_tokens *tokens) {
    il_answer answer;
    il_call call = il_begin("tokenizer.encode");
    il_arg_text(&call, "model", model->name);
    il_arg_text(&call, "text", text);
    if (!il_control(&call, &answer)) return false;
    bool good = il_tokens_of(answer.value, tokens);
    il_answer_free(&answer);
    return good;
}

bool il_decode(const il_model *model, il_tokens tokens, bool skip_special, il_buffer *text) {
    il_answer answer;
    il_buffer list = {0};
    il_put_tokens(&list, tokens.tokens, tokens.count);
    il_call call = il_begin("tokenizer.decode");
    il_arg_text(&call, "model", model->name);
    il_arg_json(&call, "tokens", list.data);
    il_arg_bool(&call, "skip_special", skip_special);
    il_buffer_free(&list);
    if (!il_control(&call, &answer)) return false;
    if (answer.value->kind == IL_TEXT) il_put(text, answer.value->text, answer.value->size);
    il_answer_free(&answer);
    return true;
}

bool il_tools_list(il_answer *schemas) {
    il_call call = il_begin("tools.list");
    return il_control(&call, schemas);
}

bool il_tool_call(const char *name, const char *arguments, il_tool_result *result) {
    return il_finish_tool_call(il_start_tool_call(name, arguments, NULL), result);
}

il_id il_start_tool_call(const char *name, const char *arguments, const il_context *ctx) {
    char contexts[32] = "[]";
    if (ctx) snprintf(contexts, sizeof contexts, "[%lld]", (long long)ctx->handle);
    il_call call = il_begin("tools.call");
    il_arg_text(&call, "name", name);
    il_arg_json(&call, "arguments", arguments);
    il_arg_json(&call, "contexts", contexts);
    return il_start(&call);
}

bool il_finish_tool_call(il_id id, il_tool_result *result) {
    *result = (il_tool_result){0};
    if (!il_wait(id, &result->answer)) return false;
    const il_json *raw = result->answer.value;
    result->content = il_as_text(il_get(raw, "content"), "");
    result->is_error = il_as_bool(il_get(raw, "is_error"), false);
    result->seconds = il_as_float(il_get(raw, "seconds"), 0);
    return true;
}

bool il_send_json(const char *json) {
    il_call call = il_begin("session.send");
    il_arg_json(&call, "message", json);
    return il_control(&call, NULL);
}

bool il_send(const char *text) {
    il_call call = il_begin("session.send");
    il_arg_text(&call, "message", text);
    return il_control(&call, NULL);
}

bool il_receive(il_answer *message) {
    il_call call = il_begin("session.receive");
    if (!il_wait(il_start(&call), message)) return false;
    const il_json *value = message->value;
    if (value->kind == IL_OBJECT && value->size == 1 && strcmp(value->first->name, "text") == 0)
        message->value = value->first;
    return true;
}

bool il_time(double *seconds) {
    il_answer answer;
    il_call call = il_begin("runtime.time");
    if (!il_control(&call, &answer)) return false;
    *seconds = il_as_float(answer.value, 0);
    il_answer_free(&answer);
    return true;
}

bool il_random_seed(int64_t *seed) {
    il_answer answer;
    il_call call = il_begin("runtime.random_seed");
    if (!il_control(&call, &answer)) return false;
    *seed = il_as_int(answer.value, 0);
    il_answer_free(&answer);
    return true;
}

bool il_sleep(double seconds) {
    il_call call = il_begin("runtime.sleep");
    il_arg_float(&call, "seconds", seconds > 0 ? seconds : 0);
    return il_wait(il_start(&call), NULL);
}

bool il_log(const char *level, const char *message) {
    il_call call = il_begin("log");
    il_arg_text(&call, "level", level);
    il_arg_text(&call, "message", message);
    return il_control(&call, NULL);
}
