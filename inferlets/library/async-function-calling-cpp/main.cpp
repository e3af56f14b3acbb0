// Asynchronous function calling: a tool starts as soon as its call is written.

#include "inferlet.hpp"

namespace {

constexpr const char *CALL_END = "</tool_call>";

struct Turn {
    std::string said;
    std::vector<inferlet::Pending> running;  // tools that run since the model called them
};

std::string json_of(const il_json *value) {
    il_buffer text{};
    il_put_json(&text, value);
    std::string copy(text.data, text.size);
    il_buffer_free(&text);
    return copy;
}

bool take_turn(inferlet::Context &ctx, size_t most, Turn &turn) {
    size_t written = 0;
    bool ended = false;
    while (!ended && written < most) {
        il_how how{.max_tokens = static_cast<uint32_t>(most - written)};
        how.uncued = written > 0;
        how.stop = CALL_END;
        auto reply = ctx.complete(IL_ARGMAX, how);
        IL_TRY(reply);
        written += reply->tokens.count;
        turn.said += reply->content;
        for (size_t at = 0; at < reply->tool_calls->size; ++at) {
            const il_json *call = il_at(reply->tool_calls, at);
            const char *name = il_as_text(il_get(call, "name"), "");
            turn.running.push_back(inferlet::start_tool(name, json_of(il_get(call, "arguments"))));
        }
        const il_tokens &tokens = reply->tokens;
        ended = !tokens.count || il_ends_turn(&ctx.model(), tokens.tokens[tokens.count - 1]);
    }
    ctx.seal();
    return true;
}

bool describe_tools(inferlet::Context &ctx, const il_json *names) {
    if (names->kind == IL_LIST) {
        il_tools(ctx.raw(), json_of(names).c_str());
        return true;
    }
    il_answer schemas;
    IL_TRY(il_tools_list(&schemas));
    il_tools(ctx.raw(), json_of(schemas.value).c_str());
    il_answer_free(&schemas);
    return true;
}

}  // namespace

bool inferlet_main(const il_json *input, il_buffer *result) {
    inferlet::Context ctx;
    IL_TRY(ctx.create(il_as_text(il_get(input, "model"), nullptr)));
    IL_TRY(describe_tools(ctx, il_get(input, "tools")));
    ctx.system(il_as_text(il_get(input, "system"), ""));
    ctx.user(il_as_text(il_get(input, "question"), ""));
    for (int64_t number = 0; number < il_as_int(il_get(input, "max_turns"), 8); ++number) {
        Turn turn;
        IL_TRY(take_turn(ctx, il_as_int(il_get(input, "max_tokens"), 256), turn));
        if (turn.running.empty()) {
            il_put_text(result, turn.said.c_str());
            return true;
        }
        for (auto &tool : turn.running) {
            auto answer = tool.wait();
            IL_TRY(answer);
            ctx.tool_result(il_as_text(il_get(answer->value, "content"), ""));
        }
    }
    return il_fail("no_answer", "no answer within max_turns");
}
