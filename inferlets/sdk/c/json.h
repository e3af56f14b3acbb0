// JSON: a reader that survives any input, and a writer. Part of the inferlet SDK for C.

#ifndef INFERLET_JSON_H
#define INFERLET_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { IL_NULL, IL_BOOL, IL_INT, IL_FLOAT, IL_TEXT, IL_LIST, IL_OBJECT } il_kind;

// A value that was read. Members of lists and objects are chained by `next`.
typedef struct il_json {
    il_kind kind;
    const char *name;  // of a member of an object, with its bytes
    size_t name_size;
    struct il_json *first, *next;
    size_t size;  // bytes of a text, members of a list or object
    union {
        bool truth;
        int64_t integer;
        double number;
        const char *text;  // ends with a zero byte, which `size` does not count
    };
} il_json;

// Reads a text; NULL with `*problem` set if it is not JSON or nested deeper than 128.
// Free the result with il_json_free.
il_json *il_json_parse(const char *text, size_t size, const char **problem);
void il_json_free(il_json *value);

// Members. Where there is nothing they return a value of kind IL_NULL, so that they can be chained.
const il_json *il_get(const il_json *object, const char *name);
const il_json *il_at(const il_json *list, size_t place);

// Values, or what to take where the kind is another.
const char *il_as_text(const il_json *value, const char *otherwise);
int64_t il_as_int(const il_json *value, int64_t otherwise);
double il_as_float(const il_json *value, double otherwise);
bool il_as_bool(const il_json *value, bool otherwise);

// A text that grows. Start with il_buffer b = {0}; free with il_buffer_free.
typedef struct {
    char *data;
    size_t size, capacity;
} il_buffer;

void il_buffer_free(il_buffer *buffer);
void il_put(il_buffer *buffer, const char *text, size_t size);  // as it is
void il_put_raw(il_buffer *buffer, const char *text);           // as it is, to its zero byte
void il_put_text(il_buffer *buffer, const char *text);          // as a JSON string
void il_put_text_of(il_buffer *buffer, const char *text, size_t size);
void il_put_int(il_buffer *buffer, int64_t value);
void il_put_float(il_buffer *buffer, double value);  // null where JSON has no such number
void il_put_json(il_buffer *buffer, const il_json *value);
void il_put_tokens(il_buffer *buffer, const uint32_t *tokens, size_t count);

#ifdef __cplusplus
}
#endif
#endif
