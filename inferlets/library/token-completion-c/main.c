// Tokens in, tokens out: at once, or token by token.

#include "inferlet.h"

static void put_result(il_buffer *result, il_tokens tokens, const char *text, const char *reason) {
    il_put_raw(result, "{\"tokens\":");
    il_put_tokens(result, tokens.tokens, tokens.count);
    il_put_raw(result, ",\"text\":");
    il_put_text(result, text);
    il_put_raw(result, ",\"finish_reason\":");
    il_put_text(result, reason);
    il_put_raw(result, "}");
}

static bool stepwise(il_context *ctx, il_sampler sampler, il_how how, il_buffer *result) {
    il_tokens tokens = {0};
    il_buffer text = {0};
    while (tokens.count < how.max_tokens) {
        uint32_t token;
        IL_TRY(il_step(ctx, sampler, &token));
        if (!how.ignore_eos && il_ends_turn(&ctx->model, token)) break;
        il_tokens_add(&tokens, token);
    }
    IL_TRY(il_decode(&ctx->model, tokens, true, &text));
    put_result(result, tokens, text.data ? text.data : "",
               tokens.count < how.max_tokens ? "stop" : "length");
    return true;
}

bool inferlet_main(const il_json *input, il_buffer *result) {
    il_model model;
    il_context ctx;
    il_tokens prompt;
    il_completion reply;
    IL_TRY(il_model_load(&model, il_as_text(il_get(input, "model"), NULL)));
    IL_TRY(il_context_create(&ctx, &model, il_as_bool(il_get(input, "prefix_reuse"), true)));
    IL_TRY(il_tokens_of(il_get(input, "tokens"), &prompt));
    il_append(&ctx, prompt.tokens, prompt.count);
    il_sampler sampler = {.temperature = il_as_float(il_get(input, "temperature"), 0)};
    il_how how = {
        .max_tokens = (uint32_t)il_as_int(il_get(input, "max_tokens"), 64),
        .ignore_eos = il_as_bool(il_get(input, "ignore_eos"), false),
        .uncued = true,
    };
    if (il_as_bool(il_get(input, "stepwise"), false)) return stepwise(&ctx, sampler, how, result);
    IL_TRY(il_complete(&ctx, sampler, how, &reply));
    put_result(result, reply.tokens, reply.text, reply.finish_reason);
    return true;
}
