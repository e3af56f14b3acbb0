// Answers one prompt and streams the text.

#include "inferlet.hpp"

bool inferlet_main(const il_json *input, il_buffer *result) {
    inferlet::Context ctx;
    IL_TRY(ctx.create());
    ctx.system("You are a helpful assistant.").user(il_as_text(il_get(input, "prompt"), ""));
    auto most = static_cast<uint32_t>(il_as_int(il_get(input, "max_tokens"), 64));
    auto reply = ctx.complete(IL_ARGMAX, {.max_tokens = most, .stream = true});
    IL_TRY(reply);
    il_put_text(result, reply->text);
    return true;
}
