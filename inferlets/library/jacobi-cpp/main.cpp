// Jacobi decoding: a row of guesses is corrected in parallel until its beginning holds.

#include <algorithm>
#include <cmath>

#include "inferlet.hpp"

namespace {

// What the model says behind the token before the guesses, and behind each of them.
bool predict(inferlet::Context &ctx, const std::vector<uint32_t> &guesses,
             std::vector<uint32_t> &said) {
    il_buffer samplers{};
    for (int64_t at = -static_cast<int64_t>(guesses.size()) - 1; at < 0; ++at) {
        il_put_raw(&samplers, samplers.size ? ",{\"index\":" : "[{\"index\":");
        il_put_int(&samplers, at);
        il_put_raw(&samplers, ",\"sampler\":");
        il_put_sampler(&samplers, IL_ARGMAX);
        il_put_raw(&samplers, "}");
    }
    il_put_raw(&samplers, "]");
    ctx.append(guesses);
    il_answer answer;
    const bool ran = il_forward(ctx.raw(), samplers.data, nullptr, &answer);
    il_buffer_free(&samplers);
    IL_TRY(ran);
    const il_json *tokens = il_get(answer.value, "tokens");
    said.clear();
    for (size_t at = 0; at < tokens->size; ++at) said.push_back(il_as_int(il_at(tokens, at), 0));
    il_answer_free(&answer);
    return true;
}

}  // namespace

bool inferlet_main(const il_json *input, il_buffer *result) {
    inferlet::Context ctx;
    IL_TRY(ctx.create(il_as_text(il_get(input, "model"), nullptr)));
    const il_model &model = ctx.model();
    const size_t most = il_as_int(il_get(input, "max_tokens"), 256);
    const size_t width = il_as_int(il_get(input, "guesses"), 8);
    ctx.system(il_as_text(il_get(input, "system"), ""));
    ctx.user(il_as_text(il_get(input, "prompt"), "")).cue();
    std::vector<uint32_t> tokens, guesses, said;
    int64_t passes = 0;
    bool ended = false;
    while (!ended && tokens.size() < most) {
        IL_TRY(predict(ctx, guesses, said));
        ++passes;
        size_t right = 0;
        while (right < guesses.size() && guesses[right] == said[right]) ++right;
        IL_TRY(ctx.truncate(guesses.size() - right));
        for (size_t at = 0; at <= right && !ended; ++at) {
            ended = il_ends_turn(&model, said[at]);
            if (!ended) tokens.push_back(said[at]);
        }
        ctx.append({said[right]});
        // Where there is no prediction yet, the last one is repeated.
        const size_t room = tokens.size() < most ? std::min(width, most - tokens.size() - 1) : 0;
        guesses.assign(said.begin() + right + 1, said.end());
        guesses.resize(room, said.back());
    }
    il_buffer text{};
    IL_TRY(il_decode(&model, {tokens.data(), tokens.size()}, true, &text));
    il_put_raw(result, "{\"text\":");
    il_put_text_of(result, text.data, text.size);
    il_buffer_free(&text);
    il_put_raw(result, ",\"tokens\":");
    il_put_int(result, tokens.size());
    il_put_raw(result, ",\"passes\":");
    il_put_int(result, passes);
    il_put_raw(result, ",\"tokens_per_pass\":");
    il_put_float(result, std::round(1000.0 * tokens.size() / passes) / 1000);
    il_put_raw(result, "}");
    return true;
}
