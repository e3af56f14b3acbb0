// The inferlet SDK for C. An inferlet defines `inferlet_main`:
//
//     #include "inferlet.h"
//
//     bool inferlet_main(const il_json *input, il_buffer *result) {
//         il_model model;
//         il_context ctx;
//         il_completion reply;
//         IL_TRY(il_model_load(&model, NULL));
//         IL_TRY(il_context_create(&ctx, &model, true));
//         il_user(&ctx, il_as_text(il_get(input, "prompt"), ""));
//         IL_TRY(il_complete(&ctx, IL_ARGMAX, (il_how){.max_tokens = 64, .stream = true}, &reply));
//         il_put_text(result, reply.text);
//         return true;
//     }
//
// Functions that can fail return false and leave the reason in il_error(). Calls block the
// inferlet, never the server; il_start begins an operation that runs beside others. What printf
// and stderr are given goes to the server's log.

#ifndef INFERLET_H
#define INFERLET_H

#include "json.h"

#ifdef __cplusplus
extern "C" {
#endif

// The inferlet: reads its arguments, writes its result as JSON. false ends the session with
// il_error().
bool inferlet_main(const il_json *input, il_buffer *result);

// Errors

typedef struct {
    char code[64];  // stable name for programs, such as "context_too_long"
    char message[512], hint[256];
    char operation[64];  // that failed; empty for errors of the inferlet's own
    char file[128];
    int line;  // of the inferlet, 0 if unknown
} il_failure;

const il_failure *il_error(void);  // of the function that returned false last

// Sets an error of the inferlet's own and returns false.
#define il_fail(code, ...) il_fail_at(__FILE__, __LINE__, code, __VA_ARGS__)
__attribute__((format(printf, 4, 5)))
bool il_fail_at(const char *file, int line, const char *code, const char *format, ...);
bool il_note_line(const char *file, int line);  // where it came up, unless that is known; false

// Returns false from the calling function if `call` fails, and remembers the line.
#define IL_TRY(call) do { if (!(call)) return il_note_line(__FILE__, __LINE__); } while (0)

// Operations, see docs/operations.md

typedef uint64_t il_id;  // 0: it was not started, see il_error()

typedef struct {
    const char *op;
    il_buffer text;
} il_call;

il_call il_begin(const char *op);  // op must live until the operation has ended
void il_arg_text(il_call *call, const char *name, const char *value);
void il_arg_int(il_call *call, const char *name, int64_t value);
void il_arg_float(il_call *call, const char *name, double value);
void il_arg_bool(il_call *call, const char *name, bool value);
void il_arg_json(il_call *call, const char *name, const char *json);  // must be JSON
il_id il_start(il_call *call);  // it leaves with the next wait

typedef struct {
    const il_json *value;
    struct il_mail *mail;  // has the value
} il_answer;

bool il_wait(il_id id, il_answer *answer);  // once for each id; free the answer
bool il_wait_for(il_id id, double seconds, il_answer *answer);  // "timeout" cancels it
size_t il_wait_any(const il_id *ids, size_t count);  // the place of one that il_wait has at once
bool il_is_ready(il_id id);
void il_cancel(il_id id);  // instead of il_wait
bool il_control(il_call *call, il_answer *answer);  // il_start and il_wait; answer may be NULL
void il_answer_free(il_answer *answer);

// Models and samplers

#define IL_EOS_TOKENS 16

typedef struct {
    char name[128], architecture[64];
    uint32_t vocab_size, page_size, max_context_tokens;
    uint32_t eos_tokens[IL_EOS_TOKENS];
    size_t eos_count;
} il_model;

typedef struct {
    uint32_t *tokens;
    size_t count;
} il_tokens;

bool il_model_load(il_model *model, const char *name);  // NULL: the server's first
bool il_ends_turn(const il_model *model, uint32_t token);
bool il_encode(const il_model *model, const char *text, il_tokens *tokens);
bool il_decode(const il_model *model, il_tokens tokens, bool skip_special, il_buffer *text);
void il_tokens_add(il_tokens *tokens, uint32_t token);
void il_tokens_free(il_tokens *tokens);
bool il_tokens_of(const il_json *list, il_tokens *tokens);  // of a JSON list

typedef struct {
    double temperature, top_p;  // top_p 0 means 1: no nucleus
    int64_t top_k;
    double min_p;
    bool seeded;
    int64_t seed;
} il_sampler;

// Always the most probable token.
#ifdef __cplusplus
#define IL_ARGMAX (il_sampler{})
#else
#define IL_ARGMAX ((il_sampler){0})
#endif

// Contexts: the fillers only note what to append, the next il_flush, il_complete, il_step or
// il_forward sends it.

typedef struct {
    int64_t handle;
    il_model model;
    il_buffer fill;  // noted segments
} il_context;

bool il_context_create(il_context *ctx, const il_model *model, bool prefix_reuse);
bool il_context_open(il_context *ctx, const il_model *model, const char *name, bool *found);
bool il_context_fork(const il_context *ctx, il_context *copy);
bool il_context_truncate(il_context *ctx, size_t count);  // drops the last ones; notes stay
bool il_context_save(const il_context *ctx, const char *name);
bool il_context_length(const il_context *ctx, size_t *length);
void il_context_release(il_context *ctx);

void il_system(il_context *ctx, const char *text);
void il_user(il_context *ctx, const char *text);
void il_assistant(il_context *ctx, const char *text);
void il_tool_message(il_context *ctx, const char *content);  // what a tool returned
void il_tools(il_context *ctx, const char *json);            // names or schemas
void il_cue(il_context *ctx);                                // begin the model's turn
void il_seal(il_context *ctx);                               // end a turn
void il_text(il_context *ctx, const char *text);             // raw, without a template
void il_append(il_context *ctx, const uint32_t *tokens, size_t count);

typedef struct {
    uint32_t max_tokens;  // 0 means 256
    bool stream, uncued, ignore_eos;
    const char *stop;  // a text that ends it, or NULL
} il_how;

typedef struct {
    const char *text, *content, *finish_reason;
    const il_json *tool_calls;
    il_tokens tokens;
    double logprob;
    size_t length;
    il_answer answer;  // has the texts
} il_completion;

bool il_flush(il_context *ctx);
bool il_complete(il_context *ctx, il_sampler sampler, il_how how, il_completion *reply);
il_id il_start_complete(il_context *ctx, il_sampler sampler, il_how how);
bool il_finish_complete(il_id id, il_completion *reply);
void il_completion_free(il_completion *reply);

// One forward pass over what is noted, and the token that follows it, which is noted for the next.
bool il_step(il_context *ctx, il_sampler sampler, uint32_t *token);
// One forward pass; `samplers` and `distributions` are JSON lists as in context.forward, or NULL.
bool il_forward(il_context *ctx, const char *samplers, const char *distributions, il_answer *answer);
void il_put_sampler(il_buffer *buffer, il_sampler sampler);

// Tools, session, runtime

typedef struct {
    const char *content;
    bool is_error;
    double seconds;
    il_answer answer;  // has the content
} il_tool_result;

bool il_tools_list(il_answer *schemas);
bool il_tool_call(const char *name, const char *arguments, il_tool_result *result);
il_id il_start_tool_call(const char *name, const char *arguments, const il_context *ctx);
bool il_finish_tool_call(il_id id, il_tool_result *result);

bool il_send(const char *text);
bool il_send_json(const char *json);
bool il_receive(il_answer *message);

bool il_time(double *seconds);  // since 1970, by the server's clock
double il_monotonic(void);      // by a clock that only goes forward; costs no operation
bool il_random_seed(int64_t *seed);
bool il_sleep(double seconds);
bool il_log(const char *level, const char *message);

#ifdef __cplusplus
}
#endif
#endif
