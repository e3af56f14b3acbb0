// Operations in flight: what is started since the last wait leaves in one submit.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

// Control operations, cancellations and timeouts may go beyond what other operations may take.
#define RESERVED 32

// The text of one wait, with the answers of several operations; freed with the last of them.
struct il_mail {
    il_json *root;
    size_t users;
};

typedef struct Entry {
    il_id id;
    const char *op;
    struct il_mail *mail;  // once it is answered
    const il_json *completion;
    bool forgotten;
    struct Entry *next;
} Entry;

static Entry *entries;
static size_t in_flight, capacity = 1, operation_bytes;
static il_id last_id;
static il_buffer outgoing;
static il_failure failure;

void il_configure(const il_json *limits) {
    int64_t most = il_as_int(il_get(limits, "operations_in_flight"), 1);
    capacity = most > RESERVED + 1 ? (size_t)most - RESERVED : 1;
    operation_bytes = (size_t)il_as_int(il_get(limits, "operation_bytes"), 0);
}

const il_failure *il_error(void) { return &failure; }

bool il_fail_at(const char *file, int line, const char *code, const char *format, ...) {
    failure = (il_failure){.line = line};
    snprintf(failure.code, sizeof failure.code, "%s", code);
    snprintf(failure.file, sizeof failure.file, "%s", file);
    va_list values;
    va_start(values, format);
    vsnprintf(failure.message, sizeof failure.message, format, values);
    va_end(values);
    return false;
}

bool il_note_line(const char *file, int line) {
    if (!failure.line) {
        failure.line = line;
        snprintf(failure.file, sizeof failure.file, "%s", file);
    }
    return false;
}

void il_set_error(const il_json *error, const char *operation) {
    failure = (il_failure){0};
    snprintf(failure.code, sizeof failure.code, "%s", il_as_text(il_get(error, "code"), ""));
    snprintf(failure.message, sizeof failure.message, "%s", il_as_text(il_get(error, "message"), ""));
    snprintf(failure.hint, sizeof failure.hint, "%s", il_as_text(il_get(error, "hint"), ""));
    snprintf(failure.operation, sizeof failure.operation, "%s", operation);
}

void il_describe_error(il_buffer *out) {
    const char *file = strrchr(failure.file, '/');
    char trace[1024];
    file = file ? file + 1 : failure.file;
    snprintf(trace, sizeof trace, "%s: %s\n    at %s:%d", failure.code, failure.message, file, failure.line);
    il_put_raw(out, "{\"exception\":");
    il_put_text(out, *failure.operation ? "OperationError" : *failure.code ? failure.code : "Error");
    il_put_raw(out, ",\"message\":");
    il_put_text(out, failure.message);
    il_put_raw(out, ",\"traceback\":");
    il_put_text(out, failure.line ? trace : "");
    il_put_raw(out, ",\"line\":");
    if (failure.line) il_put_int(out, failure.line);
    else il_put_raw(out, "null");
    if (*failure.operation) {
        il_put_raw(out, ",\"operation\":{\"code\":");
        il_put_text(out, failure.code);
        il_put_raw(out, ",\"hint\":");
        il_put_text(out, failure.hint);
        il_put_raw(out, ",\"operation\":");
        il_put_text(out, failure.operation);
        il_put_raw(out, "}");
    }
    il_put_raw(out, "}");
}

// Building an operation

il_call il_begin(const char *op) {
    il_call call = {.op = op};
    il_put_raw(&call.text, ",\"op\":");
    il_put_text(&call.text, op);
    return call;
}

static void put_name(il_call *call, const char *name) {
    il_put_raw(&call->text, ",");
    il_put_text(&call->text, name);
    il_put_raw(&call->text, ":");
}

void il_arg_text(il_call *call, const char *name, const char *value) {
    put_name(call, name);
    il_put_text(&call->text, value);
}

void il_arg_int(il_call *call, const char *name, int64_t value) {
    put_name(call, name);
    il_put_int(&call->text, value);
}

void il_arg_float(il_call *call, const char *name, double value) {
    put_name(call, name);
    il_put_float(&call->text, value);
}

void il_arg_bool(il_call *call, const char *name, bool value) { il_arg_json(call, name, value ? "true" : "false"); }

void il_arg_json(il_call *call, const char *name, const char *json) {
    put_name(call, name);
    il_put_raw(&call->text, json);
}

// Sending and waiting

static Entry *find(il_id id) {
    for (Entry *entry = entries; entry; entry = entry->next)
        if (entry->id == id) return entry;
    return NULL;
}

static void release(struct il_mail *mail) {
    if (!mail || --mail->users) return;
    il_json_free(mail->root);
    free(mail);
}

static void remove_entry(Entry *entry) {
    Entry **place = &entries;
    while (*place != entry) place = &(*place)->next;
    *place = entry->next;
    free(entry);
}

void il_flush_operations(void) {
    if (!outgoing.size) return;
    il_put_raw(&outgoing, "]");
    il_host_submit(outgoing.data, outgoing.size);
    outgoing.size = 0;
}

static void collect(void) {
    il_send_printed();
    il_flush_operations();
    char *text;
    size_t size;
    il_host_wait(&text, &size);
    struct il_mail *mail = il_allocate(sizeof *mail);
    *mail = (struct il_mail){il_json_parse(text, size, NULL), 1};
    free(text);
    if (!mail->root) abort();
    for (const il_json *item = mail->root->first; item; item = item->next) {
        Entry *entry = find((il_id)il_as_int(il_get(item, "id"), 0));
        if (!entry) continue;
        in_flight--;
        if (entry->forgotten) {
            remove_entry(entry);
            continue;
        }
        entry->mail = mail;
        entry->completion = item;
        mail->users++;
    }
    release(mail);
}

static il_id send(il_call *call) {
    char head[32];
    int head_size = snprintf(head, sizeof head, "{\"id\":%llu", (unsigned long long)++last_id);
    size_t size = (size_t)head_size + call->text.size + 1;
    if (size + 2 > operation_bytes) {
        il_buffer_free(&call->text);
        il_fail_at("", 0, "message_too_large", "the operation has %zu bytes of JSON; %zu are allowed",
                   size, operation_bytes);
        return 0;
    }
    if (outgoing.size && outgoing.size + size + 2 > operation_bytes) il_flush_operations();
    il_put_raw(&outgoing, outgoing.size ? "," : "[");
    il_put(&outgoing, head, (size_t)head_size);
    il_put(&outgoing, call->text.data, call->text.size);
    il_put_raw(&outgoing, "}");
    Entry *entry = il_allocate(sizeof *entry);
    *entry = (Entry){.id = last_id, .op = call->op, .next = entries};
    entries = entry;
    in_flight++;
    il_buffer_free(&call->text);
    return last_id;
}

il_id il_start(il_call *call) {
    while (in_flight >= capacity) collect();
    return send(call);
}

bool il_is_ready(il_id id) {
    Entry *entry = find(id);
    return !entry || entry->mail;
}

bool il_wait(il_id id, il_answer *answer) {
    Entry *entry = find(id);
    if (answer) *answer = (il_answer){0};
    if (!id) return false;  // it was not started: the error is there
    if (!entry) return il_fail_at("", 0, "value_error", "nothing is in flight under this id");
    while (!entry->mail) collect();
    const il_json *completion = entry->completion;
    bool ok = il_as_bool(il_get(completion, "ok"), false);
    if (!ok) il_set_error(il_get(completion, "error"), entry->op);
    if (ok && answer) *answer = (il_answer){il_get(completion, "val"), entry->mail};
    else release(entry->mail);
    remove_entry(entry);
    return ok;
}

bool il_wait_for(il_id id, double seconds, il_answer *answer) {
    il_call sleep = il_begin("runtime.sleep");
    il_arg_float(&sleep, "seconds", seconds > 0 ? seconds : 0);
    il_id alarm = send(&sleep);
    while (!il_is_ready(id) && !il_is_ready(alarm)) collect();
    bool ready = il_is_ready(id);
    il_cancel(alarm);
    if (ready) return il_wait(id, answer);
    il_cancel(id);
    if (answer) *answer = (il_answer){0};
    return il_fail_at("", 0, "timeout", "it took longer than %g s", seconds);
}

size_t il_wait_any(const il_id *ids, size_t count) {
    for (;; collect())
        for (size_t place = 0; place < count; place++)
            if (il_is_ready(ids[place])) return place;
}

void il_cancel(il_id id) {
    Entry *entry = find(id);
    if (!entry) return;
    if (entry->mail) {
        release(entry->mail);
        remove_entry(entry);
        return;
    }
    entry->forgotten = true;
    il_call cancel = il_begin("cancel");
    il_arg_int(&cancel, "target", (int64_t)id);
    il_id note = send(&cancel);
    if (note) find(note)->forgotten = true;
}

bool il_control(il_call *call, il_answer *answer) { return il_wait(send(call), answer); }

void il_answer_free(il_answer *answer) {
    release(answer->mail);
    *answer = (il_answer){0};
}
