// Answers one prompt and streams the text.

#include "inferlet.h"

bool inferlet_main(const il_json *input, il_buffer *result) {
    il_model model;
    il_context ctx;
    il_completion reply;
    IL_TRY(il_model_load(&model, il_as_text(il_get(input, "model"), NULL)));
    IL_TRY(il_context_create(&ctx, &model, true));
    il_system(&ctx, il_as_text(il_get(input, "system"), ""));
    il_user(&ctx, il_as_text(il_get(input, "prompt"), ""));
    il_sampler sampler = {
        .temperature = il_as_float(il_get(input, "temperature"), 0),
        .top_p = il_as_float(il_get(input, "top_p"), 1),
    };
    il_how how = {.max_tokens = (uint32_t)il_as_int(il_get(input, "max_tokens"), 0), .stream = true};
    IL_TRY(il_complete(&ctx, sampler, how, &reply));
    il_put_text(result, reply.text);
    return true;
}
