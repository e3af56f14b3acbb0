// The inferlet SDK for C++: values that own what C's functions leave to be freed.
//
//     #include "inferlet.hpp"
//
//     bool inferlet_main(const il_json *input, il_buffer *result) {
//         inferlet::Context ctx;
//         IL_TRY(ctx.create());
//         ctx.user(il_as_text(il_get(input, "prompt"), ""));
//         auto reply = ctx.complete(IL_ARGMAX, {.max_tokens = 64});
//         IL_TRY(reply);
//         il_put_text(result, reply->text);
//         return true;
//     }
//
// There are no exceptions: what can fail is empty (false) then, and il_error() has the reason.

#ifndef INFERLET_HPP
#define INFERLET_HPP

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inferlet.h"

namespace inferlet {

// A value with a function that frees it; empty after a failure.
template <typename T, void (*release)(T *)>
class Owned {
public:
    Owned() = default;
    explicit Owned(const T &value) : value_(value), there_(true) {}
    Owned(Owned &&other) noexcept : value_(other.value_), there_(std::exchange(other.there_, false)) {}
    Owned &operator=(Owned &&other) noexcept {
        std::swap(value_, other.value_);
        std::swap(there_, other.there_);
        return *this;
    }
    ~Owned() {
        if (there_) release(&value_);
    }
    explicit operator bool() const { return there_; }
    const T *operator->() const { return &value_; }
    const T &operator*() const { return value_; }

private:
    T value_{};
    bool there_ = false;
};

using Answer = Owned<il_answer, il_answer_free>;
using Completion = Owned<il_completion, il_completion_free>;

// An operation in flight. Cancelled when it is destroyed before it was waited for.
class Pending {
public:
    explicit Pending(il_id id = 0) : id_(id) {}
    Pending(Pending &&other) noexcept : id_(std::exchange(other.id_, 0)) {}
    Pending &operator=(Pending &&other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    ~Pending() {
        if (id_) il_cancel(id_);
    }
    // Gives the operation to the caller, who waits for it or cancels it.
    il_id release() { return std::exchange(id_, 0); }
    bool ready() const { return il_is_ready(id_); }
    Answer wait() {
        il_answer answer;
        return il_wait(release(), &answer) ? Answer(answer) : Answer();
    }
    Answer wait_for(double seconds) {
        il_answer answer;
        return il_wait_for(release(), seconds, &answer) ? Answer(answer) : Answer();
    }

private:
    il_id id_;
};

// Begins an operation of docs/operations.md; `fields` fills in its arguments.
template <typename Fields>
Pending start(const char *op, Fields fields) {
    il_call call = il_begin(op);
    fields(call);
    return Pending(il_start(&call));
}

inline Pending start(const char *op) {
    return start(op, [](il_call &) {});
}

inline Pending start_tool(const char *name, const std::string &arguments) {
    return Pending(il_start_tool_call(name, arguments.c_str(), nullptr));
}

// A context; its pages are freed when it is destroyed.
class Context {
public:
    Context() = default;
    Context(Context &&other) noexcept : raw_(other.raw_), there_(std::exchange(other.there_, false)) {}
    Context &operator=(Context &&other) noexcept {
        std::swap(raw_, other.raw_);
        std::swap(there_, other.there_);
        return *this;
    }
    ~Context() {
        if (there_) il_context_release(&raw_);
    }

    // An empty context of the model, or of the server's first.
    bool create(const char *model = nullptr, bool prefix_reuse = true) {
        il_model loaded;
        return il_model_load(&loaded, model) && create(loaded, prefix_reuse);
    }
    bool create(const il_model &model, bool prefix_reuse = true) {
        return there_ = il_context_create(&raw_, &model, prefix_reuse);
    }
    // A copy over the same pages; empty if that failed.
    Context fork() const {
        Context copy;
        copy.there_ = il_context_fork(&raw_, &copy.raw_);
        return copy;
    }
    explicit operator bool() const { return there_; }
    il_context *raw() { return &raw_; }
    const il_model &model() const { return raw_.model; }

    Context &system(const std::string &text) { return il_system(&raw_, text.c_str()), *this; }
    Context &user(const std::string &text) { return il_user(&raw_, text.c_str()), *this; }
    Context &assistant(const std::string &text) { return il_assistant(&raw_, text.c_str()), *this; }
    Context &tool_result(const std::string &text) { return il_tool_message(&raw_, text.c_str()), *this; }
    Context &text(const std::string &text) { return il_text(&raw_, text.c_str()), *this; }
    Context &cue() { return il_cue(&raw_), *this; }
    Context &seal() { return il_seal(&raw_), *this; }
    Context &append(const std::vector<uint32_t> &tokens) {
        return il_append(&raw_, tokens.data(), tokens.size()), *this;
    }

    bool flush() { return il_flush(&raw_); }
    // Drops the last tokens of the cache.
    bool truncate(size_t count) { return il_context_truncate(&raw_, count); }
    bool save(const std::string &name) const { return il_context_save(&raw_, name.c_str()); }
    bool step(const il_sampler &sampler, uint32_t &token) { return il_step(&raw_, sampler, &token); }
    Completion complete(const il_sampler &sampler, const il_how &how) {
        il_completion reply;
        return il_complete(&raw_, sampler, how, &reply) ? Completion(reply) : Completion();
    }
    // Runs beside other things; give its id to `finish`.
    Pending start_complete(const il_sampler &sampler, const il_how &how) {
        return Pending(il_start_complete(&raw_, sampler, how));
    }
    static Completion finish(Pending pending) {
        il_completion reply;
        return il_finish_complete(pending.release(), &reply) ? Completion(reply) : Completion();
    }

private:
    il_context raw_{};
    bool there_ = false;
};

}  // namespace inferlet

#endif
