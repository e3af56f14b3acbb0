// The cases of tests/inferlets/test_conformance.py in C++.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "inferlet.hpp"

using inferlet::Answer;
using inferlet::Context;
using inferlet::Pending;

extern "C" {
__attribute__((import_module("pie:inferlet/host@1.0.0"), import_name("submit")))
void raw_submit(const char *data, size_t size);
__attribute__((import_module("pie:inferlet/host@1.0.0"), import_name("wait")))
void raw_wait(void *result);
}

namespace {

// A JSON list that is written item by item.
class List {
public:
    explicit List(il_buffer *out) : out_(out) { il_put_raw(out_, "["); }
    ~List() { il_put_raw(out_, "]"); }
    List &add(const std::string &text) { return next(), il_put_text(out_, text.c_str()), *this; }
    List &add(const char *text) { return next(), il_put_text(out_, text), *this; }
    List &add(bool value) { return next(), il_put_raw(out_, value ? "true" : "false"), *this; }
    List &add(int64_t value) { return next(), il_put_int(out_, value), *this; }
    List &add(double value) { return next(), il_put_float(out_, value), *this; }
    List &add(const il_json *value) { return next(), il_put_json(out_, value), *this; }
    List &add(const uint32_t *tokens, size_t count) {
        return next(), il_put_tokens(out_, tokens, count), *this;
    }

private:
    void next() {
        if (!empty_) il_put_raw(out_, ",");
        empty_ = false;
    }
    il_buffer *out_;
    bool empty_ = true;
};

bool put(il_buffer *result, const std::string &text) {
    il_put_text(result, text.c_str());
    return true;
}

void submit(const std::string &text) { raw_submit(text.data(), text.size()); }

void wait_for_mail() {
    size_t mail[2];
    raw_wait(mail);
}

bool model(const il_json *, il_buffer *result) {
    il_model loaded;
    il_tokens encoded;
    il_buffer text{};
    uint32_t plain[] = {104, 105};
    IL_TRY(il_model_load(&loaded, nullptr));
    IL_TRY(il_encode(&loaded, "aü", &encoded));
    IL_TRY(il_decode(&loaded, {plain, 2}, false, &text));
    List(result)
        .add(loaded.name)
        .add(int64_t{loaded.vocab_size})
        .add(int64_t{loaded.page_size})
        .add(int64_t{loaded.max_context_tokens})
        .add(loaded.eos_tokens, loaded.eos_count)
        .add(encoded.tokens, encoded.count)
        .add(text.data);
    return true;
}

bool context(const il_json *, il_buffer *result) {
    Context ctx;
    il_context again, none;
    bool found, there;
    size_t lengths[4];
    IL_TRY(ctx.create("fake"));
    IL_TRY(ctx.system("S").user("U").assistant("A").flush());
    Context branch = ctx.fork();
    IL_TRY(branch);
    IL_TRY(branch.append({65}).append({66}).flush());
    IL_TRY(il_context_length(branch.raw(), &lengths[1]));
    IL_TRY(branch.truncate(3));
    auto reply = branch.text("T").complete(IL_ARGMAX, {.max_tokens = 8, .stream = true});
    IL_TRY(reply);
    IL_TRY(branch.save("x"));
    IL_TRY(il_context_open(&again, &ctx.model(), "x", &found));
    IL_TRY(il_context_open(&none, &ctx.model(), "y", &there));
    IL_TRY(il_context_length(ctx.raw(), &lengths[0]));
    IL_TRY(il_context_length(branch.raw(), &lengths[2]));
    IL_TRY(il_context_length(&again, &lengths[3]));
    List list(result);
    for (size_t length : lengths) list.add(int64_t(length));
    list.add(found && !there)
        .add(reply->text)
        .add(reply->tokens.tokens, reply->tokens.count)
        .add(reply->finish_reason)
        .add(int64_t(reply->length));
    return true;
}

bool steps(const il_json *, il_buffer *result) {
    Context ctx, other;
    il_answer answer;
    std::vector<uint32_t> tokens(4);
    IL_TRY(ctx.create());
    ctx.append({65});
    for (uint32_t &token : tokens) IL_TRY(ctx.step(IL_ARGMAX, token));
    IL_TRY(other.create());
    other.append({80, 81});
    IL_TRY(il_forward(other.raw(), nullptr, "[{\"index\":-1,\"top_k\":2}]", &answer));
    Answer owned(answer);
    const il_json *top = il_at(il_get(owned->value, "distributions"), 0);
    List(result)
        .add(tokens.data(), tokens.size())
        .add(il_get(top, "tokens"))
        .add(il_get(top, "probabilities"));
    return true;
}

bool generates(const il_json *input, il_buffer *result) {
    Context ctx;
    uint32_t token = 65;
    IL_TRY(ctx.create("fake"));
    ctx.append({token});
    for (int64_t n = il_as_int(il_get(input, "count"), 0); n > 0; n--)
        IL_TRY(ctx.step(IL_ARGMAX, token));
    il_put_int(result, token);
    return true;
}

bool stops(const il_json *, il_buffer *) {
    Context ctx;
    IL_TRY(ctx.create("fake"));
    IL_TRY(ctx.user("U").complete(IL_ARGMAX, {.max_tokens = 8, .stop = "END"}));
    return true;
}

bool tool(const il_json *, il_buffer *result) {
    il_answer schemas;
    il_tool_result good, bad;
    IL_TRY(il_tool_call("calculator", "{\"expression\":\"2+2\"}", &good));
    IL_TRY(il_tool_call("calculator", "{\"expression\":\"1/0\"}", &bad));
    IL_TRY(il_tools_list(&schemas));
    List(result)
        .add(int64_t(schemas.value->size))
        .add(good.content)
        .add(good.is_error)
        .add(bad.content)
        .add(bad.is_error);
    return true;
}

bool talk(const il_json *, il_buffer *result) {
    il_answer one, two;
    IL_TRY(il_send("hello"));
    IL_TRY(il_send_json("{\"n\":1}"));
    IL_TRY(il_receive(&one));
    IL_TRY(il_receive(&two));
    List(result).add(one.value).add(two.value);
    return true;
}

bool shares(const il_json *, il_buffer *result) {
    auto topic = [](il_call &call) { il_arg_text(&call, "topic", "jobs"); };
    auto key = [](il_call &call) { il_arg_text(&call, "key", "k"); };
    Answer pushed = inferlet::start("messaging.push", [&](il_call &call) {
        topic(call);
        il_arg_json(&call, "message", "{\"n\":1}");
    }).wait();
    Answer pulled = inferlet::start("messaging.pull", topic).wait();
    Answer put = inferlet::start("store.put", [&](il_call &call) {
        key(call);
        il_arg_json(&call, "value", "[1]");
    }).wait();
    Answer got = inferlet::start("store.get", key).wait();
    Answer child = inferlet::start("runtime.launch", [](il_call &call) {
        il_arg_text(&call, "program", "echo");
        il_arg_json(&call, "arguments", "{\"x\":2}");
    }).wait();
    IL_TRY(pushed && pulled && put && got && child);
    Answer joined = inferlet::start("child.join", [&](il_call &call) {
        il_arg_int(&call, "child", il_as_int(il_get(child->value, "child"), 0));
    }).wait();
    IL_TRY(joined);
    List(result)
        .add(il_get(pulled->value, "message"))
        .add(il_get(put->value, "version"))
        .add(il_get(got->value, "value"))
        .add(joined->value);
    return true;
}

bool about(const il_json *, il_buffer *result) {
    double seconds;
    int64_t seed;
    IL_TRY(il_log("warning", "note"));
    IL_TRY(il_time(&seconds));
    IL_TRY(il_random_seed(&seed));
    Answer version = inferlet::start("runtime.version").wait();
    Answer session = inferlet::start("session.info").wait();
    IL_TRY(version && session);
    List(result).add(seconds).add(seed).add(version->value).add(il_get(session->value, "id"));
    return true;
}

bool concurrent(const il_json *, il_buffer *result) {
    std::vector<Pending> calls;
    for (const char *name : {"calculator", "python"}) calls.push_back(inferlet::start_tool(name, "{}"));
    List list(result);
    for (Pending &call : calls) {
        Answer answer = call.wait();
        IL_TRY(answer);
        list.add(il_get(answer->value, "content"));
    }
    return true;
}

bool many(const il_json *, il_buffer *result) {
    std::vector<Pending> calls;
    for (int n = 0; n < 500; n++)
        calls.push_back(inferlet::start_tool("python", "{\"n\":" + std::to_string(n) + "}"));
    bool equal = true;
    for (int n = 0; n < 500; n++) {
        Answer answer = calls[n].wait();
        IL_TRY(answer);
        equal = equal && il_as_text(il_get(answer->value, "content"), "") == std::to_string(n);
    }
    il_put_raw(result, equal ? "true" : "false");
    return true;
}

bool cancelled(const il_json *, il_buffer *result) {
    {
        Pending message = inferlet::start("session.receive");
        IL_TRY(il_sleep(0));
    }
    IL_TRY(il_sleep(0));
    return put(result, "cancelled");
}

bool first(const il_json *, il_buffer *result) {
    Pending slow = inferlet::start("session.receive");
    Pending quick = inferlet::start_tool("python", "{}");
    Answer answer = quick.wait();
    IL_TRY(answer && !slow.ready());
    return put(result, il_as_text(il_get(answer->value, "content"), ""));
}

bool caught(const il_json *, il_buffer *result) {
    Context ctx;
    if (ctx.create("none")) return il_fail("value_error", "there is such a model");
    const il_failure *error = il_error();
    List(result).add(error->code).add(error->message).add(error->hint).add(error->operation);
    return true;
}

bool code_of(Pending pending, il_buffer *result) {
    if (pending.wait()) return il_fail("value_error", "it was accepted");
    return put(result, il_error()->code);
}

__attribute__((noinline)) int descend(int depth) {
    volatile char deeper[512];
    deeper[depth % 512] = char(depth);
    return descend(depth + 1) + deeper[depth % 512];
}

bool leaves(const il_json *, il_buffer *result) {
    for (int n = 0; n < 5; n++) {
        Pending sleeper = inferlet::start(
            "runtime.sleep", [](il_call &call) { il_arg_float(&call, "seconds", 3600); });
        IL_TRY(sleeper.release());
    }
    IL_TRY(il_sleep(0));
    return put(result, "left");
}

using Case = std::function<bool(const il_json *, il_buffer *)>;

const std::map<std::string, Case> cases = {
    {"echo", [](auto *input, auto *out) { return il_put_json(out, il_get(input, "value")), true; }},
    {"model", model},
    {"context", context},
    {"steps", steps},
    {"generates", generates},
    {"stops", stops},
    {"tool", tool},
    {"talk", talk},
    {"shares", shares},
    {"about", about},
    {"printing", [](auto *, auto *) { return std::puts("one"), std::puts("two"), true; }},
    {"concurrent", concurrent},
    {"many", many},
    {"timed", [](auto *, auto *out) {
        bool received{inferlet::start("session.receive").wait_for(0.01)};
        return put(out, received ? "received" : il_error()->code);
    }},
    {"cancelled", cancelled},
    {"first", first},
    {"caught", caught},
    {"unknown_operation", [](auto *, auto *out) { return code_of(inferlet::start("no.such"), out); }},
    {"bad_handle", [](auto *, auto *out) {
        return code_of(inferlet::start("context.flush", [](il_call &call) {
            il_arg_int(&call, "context", 77);
            il_arg_json(&call, "fill", "[]");
        }), out);
    }},
    {"too_large", [](auto *, auto *out) {
        std::string text(100000, 'x');
        return code_of(inferlet::start("session.send", [&](il_call &call) {
            il_arg_text(&call, "message", text.c_str());
        }), out);
    }},
    {"raises", [](auto *, auto *) { return il_fail("value_error", "no such %s", "luck"); }},
    {"uncaught", [](auto *, auto *) {
        Context ctx;
        IL_TRY(ctx.create("none"));
        return true;
    }},
    {"panics", [](auto *, auto *) -> bool { std::abort(); }},
    {"exits", [](auto *, auto *) -> bool { std::exit(3); }},
    {"spins", [](auto *, auto *) -> bool {
        for (volatile int n = 0;; n = n + 1) continue;
    }},
    {"allocates", [](auto *, auto *out) -> bool {
        std::string filler(1 << 16, 'x');
        for (;;) il_put(out, filler.data(), filler.size());
    }},
    {"recurses", [](auto *, auto *out) { return il_put_int(out, descend(0)), true; }},
    {"floods", [](auto *, auto *) -> bool {
        for (int n = 1;; n++) submit("[{\"id\":" + std::to_string(n) + ",\"op\":\"runtime.time\"}]");
    }},
    {"waits", [](auto *, auto *) { return wait_for_mail(), true; }},
    {"repeats", [](auto *, auto *) {
        for (int n = 0; n < 2; n++) submit("[{\"id\":900,\"op\":\"runtime.sleep\",\"seconds\":9}]");
        return wait_for_mail(), true;
    }},
    {"talks_nonsense", [](auto *, auto *) { return submit("hello"), wait_for_mail(), true; }},
    {"large_result", [](auto *input, auto *out) {
        return put(out, std::string(size_t(il_as_int(il_get(input, "size"), 0)), 'x'));
    }},
    {"leaves", leaves},
};

}  // namespace

bool inferlet_main(const il_json *input, il_buffer *result) {
    const char *name = il_as_text(il_get(input, "case"), "");
    auto found = cases.find(name);
    if (found == cases.end()) return il_fail("unknown_case", "%s", name);
    return found->second(input, result);
}
