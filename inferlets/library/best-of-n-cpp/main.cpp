// Best of n: sample several answers in one batch, return the one the model is surest of.

#include "inferlet.hpp"

namespace {

double mean_logprob(const inferlet::Completion &reply) {
    return reply->tokens.count ? reply->logprob / reply->tokens.count : reply->logprob;
}

// The members of a candidate, without the braces.
void put_candidate(il_buffer *result, const inferlet::Completion &reply) {
    il_put_raw(result, "\"text\":");
    il_put_text(result, reply->text);
    il_put_raw(result, ",\"mean_logprob\":");
    il_put_float(result, mean_logprob(reply));
}

}  // namespace

bool inferlet_main(const il_json *input, il_buffer *result) {
    inferlet::Context prompt;
    IL_TRY(prompt.create(il_as_text(il_get(input, "model"), nullptr)));
    prompt.system(il_as_text(il_get(input, "system"), ""));
    prompt.user(il_as_text(il_get(input, "prompt"), ""));
    IL_TRY(prompt.flush());
    il_sampler sampler{};
    sampler.temperature = il_as_float(il_get(input, "temperature"), 1);
    sampler.seeded = true;
    const int64_t seed = il_as_int(il_get(input, "seed"), 0);
    const il_how how{.max_tokens = static_cast<uint32_t>(il_as_int(il_get(input, "max_tokens"), 0))};
    std::vector<inferlet::Context> forks;
    std::vector<inferlet::Pending> pending;
    for (int64_t index = 0; index < il_as_int(il_get(input, "n"), 1); ++index) {
        sampler.seed = seed + index;
        forks.push_back(prompt.fork());
        IL_TRY(forks.back());
        pending.push_back(forks.back().start_complete(sampler, how));
    }
    std::vector<inferlet::Completion> replies;
    size_t best = 0;
    for (auto &one : pending) {
        replies.push_back(inferlet::Context::finish(std::move(one)));
        IL_TRY(replies.back());
        if (mean_logprob(replies.back()) > mean_logprob(replies[best])) best = replies.size() - 1;
    }
    il_put_raw(result, "{");
    put_candidate(result, replies[best]);
    il_put_raw(result, ",\"candidates\":[");
    for (const auto &reply : replies) {
        il_put_raw(result, &reply == &replies[0] ? "{" : ",{");
        put_candidate(result, reply);
        il_put_raw(result, "}");
    }
    il_put_raw(result, "]}");
    return true;
}
