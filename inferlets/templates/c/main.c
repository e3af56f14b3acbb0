// Answers one prompt and streams the text.

#include "inferlet.h"

bool inferlet_main(const il_json *input, il_buffer *result) {
    il_model model;
    il_context ctx;
    il_completion reply;
    IL_TRY(il_model_load(&model, NULL));
    IL_TRY(il_context_create(&ctx, &model, true));
    il_system(&ctx, "You are a helpful assistant.");
    il_user(&ctx, il_as_text(il_get(input, "prompt"), ""));
    uint32_t most = (uint32_t)il_as_int(il_get(input, "max_tokens"), 64);
    IL_TRY(il_complete(&ctx, IL_ARGMAX, (il_how){.max_tokens = most, .stream = true}, &reply));
    il_put_text(result, reply.text);
    return true;
}
