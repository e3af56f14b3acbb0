#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

// Deeper input is refused, so that reading cannot exhaust the stack.
#define DEEPEST 128

// A document's values and texts lie in a chain of blocks, which are freed together.
#define BLOCK_BYTES 4096

typedef struct Block {
    struct Block *before;
    size_t used, size;
    _Alignas(16) char data[];
} Block;

typedef struct {
    il_json root;
    Block *blocks;
} Document;

typedef struct {
    const char *at, *end, *problem;
    Document *document;
} Reader;

static const il_json nothing = {.kind = IL_NULL};

static void *take(Document *document, size_t size) {
    size = (size + 15) & ~(size_t)15;
    Block *block = document->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = il_allocate(sizeof *block + room);
        *block = (Block){.before = document->blocks, .size = room};
        document->blocks = block;
    }
    void *taken = block->data + block->used;
    block->used += size;
    return taken;
}

static bool refuse(Reader *reader, const char *problem) {
    if (!reader->problem) reader->problem = problem;
    return false;
}

static void skip_space(Reader *reader) {
    while (reader->at < reader->end && strchr(" \n\r\t", *reader->at) && *reader->at) reader->at++;
}

static char peek(const Reader *reader) { return reader->at < reader->end ? *reader->at : 0; }

static bool expect(Reader *reader, char wanted) {
    if (peek(reader) != wanted) return refuse(reader, "another character is expected");
    reader->at++;
    return true;
}

static bool read_hexadecimal(Reader *reader, uint32_t *code) {
    *code = 0;
    for (int digit = 0; digit < 4; digit++, reader->at++) {
        char c = peek(reader);
        int value = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (value < 0) return refuse(reader, "an escape lacks digits");
        *code = *code * 16 + (uint32_t)value;
    }
    return true;
}

static char *write_utf8(char *out, uint32_t code) {
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;  // half a surrogate pair
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(lead[more] | code >> (6 * more));
    while (more--) *out++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return out;
}

static bool read_escape(Reader *reader, char **out) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char letter = peek(reader);
    const char *found = letter ? strchr(letters, letter) : NULL;
    reader->at++;
    if (found) {
        *(*out)++ = meanings[found - letters];
        return true;
    }
    uint32_t code, low;
    if (letter != 'u') return refuse(reader, "an escape is unknown");
    if (!read_hexadecimal(reader, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' &&
        reader->at[1] == 'u') {
        const char *before = reader->at;
        reader->at += 2;
        if (!read_hexadecimal(reader, &low)) return false;
        if (low >= 0xdc00 && low < 0xe000)
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        else
            reader->at = before;
    }
    *out = write_utf8(*out, code);
    return true;
}

// A string is never longer than its source, in which every escape takes at least as many bytes.
static bool read_string(Reader *reader, const char **text, size_t *size) {
    if (!expect(reader, '"')) return false;
    const char *close = reader->at;
    while (close < reader->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= reader->end) return refuse(reader, "a string does not end");
    char *start = take(reader->document, (size_t)(close - reader->at) + 1), *out = start;
    while (reader->at < close) {
        if ((unsigned char)*reader->at < 0x20) return refuse(reader, "a control character in a string");
        if (*reader->at != '\\') {
            *out++ = *reader->at++;
            continue;
        }
        reader->at++;
        if (!read_escape(reader, &out)) return false;
    }
    *out = 0;
    *text = start;
    *size = (size_t)(out - start);
    return expect(reader, '"');
}

static bool read_number(Reader *reader, il_json *value) {
    char copy[64];
    size_t size = 0;
    bool integer = true;
    while (peek(reader) && strchr("+-.eE0123456789", peek(reader))) {
        if (size + 1 == sizeof copy) return refuse(reader, "a number is too long");
        integer = integer && !strchr(".eE", peek(reader));
        copy[size++] = *reader->at++;
    }
    copy[size] = 0;
    char *end = copy;
    // What 64 bits do not hold becomes a float, as in other languages' readers.
    if (integer && size < 19) {
        value->kind = IL_INT;
        value->integer = strtoll(copy, &end, 10);
    } else {
        value->kind = IL_FLOAT;
        value->number = strtod(copy, &end);
    }
    return size && !*end ? true : refuse(reader, "a value is expected");
}

static bool read_word(Reader *reader, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size))
        return refuse(reader, "a value is expected");
    reader->at += size;
    return true;
}

static bool read_value(Reader *reader, il_json *value, int depth);

static bool read_members(Reader *reader, il_json *parent, char close, int depth) {
    il_json **place = &parent->first;
    reader->at++;
    for (skip_space(reader); peek(reader) != close; skip_space(reader)) {
        if (parent->size++ && !expect(reader, ',')) return false;
        il_json *member = *place = take(reader->document, sizeof *member);
        *member = nothing;
        place = &member->next;
        if (parent->kind == IL_OBJECT) {
            skip_space(reader);
            if (!read_string(reader, &member->name, &member->name_size)) return false;
            skip_space(reader);
            if (!expect(reader, ':')) return false;
        }
        if (!read_value(reader, member, depth + 1)) return false;
    }
    reader->at++;
    return true;
}

static bool read_value(Reader *reader, il_json *value, int depth) {
    if (depth > DEEPEST) return refuse(reader, "it is nested too deeply");
    skip_space(reader);
    switch (peek(reader)) {
    case '{': value->kind = IL_OBJECT; return read_members(reader, value, '}', depth);
    case '[': value->kind = IL_LIST; return read_members(reader, value, ']', depth);
    case '"': value->kind = IL_TEXT; return read_string(reader, &value->text, &value->size);
    case 't': value->kind = IL_BOOL; value->truth = true; return read_word(reader, "true");
    case 'f': value->kind = IL_BOOL; return read_word(reader, "false");
    case 'n': return read_word(reader, "null");
    default: return read_number(reader, value);
    }
}

il_json *il_json_parse(const char *text, size_t size, const char **problem) {
    Document *document = il_allocate(sizeof *document);
    *document = (Document){.root = nothing};
    Reader reader = {text, text + size, NULL, document};
    bool good = read_value(&reader, &document->root, 0);
    skip_space(&reader);
    if (good && reader.at != reader.end) good = refuse(&reader, "something follows the value");
    if (problem) *problem = reader.problem;
    if (good) return &document->root;
    il_json_free(&document->root);
    return NULL;
}

void il_json_free(il_json *value) {
    Document *document = (Document *)value;  // the root is its first member
    if (!document) return;
    for (Block *block = document->blocks, *before; block; block = before) {
        before = block->before;
        free(block);
    }
    free(document);
}

const il_json *il_get(const il_json *object, const char *name) {
    size_t size = strlen(name);
    if (object->kind == IL_OBJECT)
        for (const il_json *member = object->first; member; member = member->next)
            if (member->name_size == size && memcmp(member->name, name, size) == 0) return member;
    return &nothing;
}

const il_json *il_at(const il_json *list, size_t place) {
    const il_json *member = list->kind == IL_LIST ? list->first : NULL;
    while (member && place--) member = member->next;
    return member ? member : &nothing;
}

const char *il_as_text(const il_json *value, const char *otherwise) {
    return value->kind == IL_TEXT ? value->text : otherwise;
}

int64_t il_as_int(const il_json *value, int64_t otherwise) {
    return value->kind == IL_INT ? value->integer : otherwise;
}

double il_as_float(const il_json *value, double otherwise) {
    if (value->kind == IL_INT) return (double)value->integer;
    return value->kind == IL_FLOAT ? value->number : otherwise;
}

bool il_as_bool(const il_json *value, bool otherwise) {
    return value->kind == IL_BOOL ? value->truth : otherwise;
}

void il_buffer_free(il_buffer *buffer) {
    free(buffer->data);
    *buffer = (il_buffer){0};
}

void il_put(il_buffer *buffer, const char *text, size_t size) {
    if (buffer->capacity - buffer->size < size + 1) {
        size_t capacity = buffer->capacity * 2 + size + 64;
        buffer->data = il_reallocate(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    if (size) memcpy(buffer->data + buffer->size, text, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void il_put_raw(il_buffer *buffer, const char *text) { il_put(buffer, text, strlen(text)); }

void il_put_text(il_buffer *buffer, const char *text) { il_put_text_of(buffer, text, strlen(text)); }

void il_put_text_of(il_buffer *buffer, const char *text, size_t size) {
    il_put(buffer, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        char escape[8];
        int length = snprintf(escape, sizeof escape, c < 0x20 ? "\\u%04x" : "\\%c", c);
        il_put(buffer, text + plain, i - plain);
        il_put(buffer, escape, (size_t)length);
        plain = i + 1;
    }
    il_put(buffer, text + plain, size - plain);
    il_put(buffer, "\"", 1);
}

void il_put_int(il_buffer *buffer, int64_t value) {
    char text[24];
    il_put(buffer, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void il_put_float(il_buffer *buffer, double value) {
    char text[32];
    if (!isfinite(value)) il_put_raw(buffer, "null");
    else il_put(buffer, text, (size_t)snprintf(text, sizeof text, "%.17g", value));
}

void il_put_json(il_buffer *buffer, const il_json *value) {
    switch (value->kind) {
    case IL_NULL: il_put_raw(buffer, "null"); return;
    case IL_BOOL: il_put_raw(buffer, value->truth ? "true" : "false"); return;
    case IL_INT: il_put_int(buffer, value->integer); return;
    case IL_FLOAT: il_put_float(buffer, value->number); return;
    case IL_TEXT: il_put_text_of(buffer, value->text, value->size); return;
    default: break;
    }
    il_put_raw(buffer, value->kind == IL_LIST ? "[" : "{");
    for (const il_json *member = value->first; member; member = member->next) {
        if (member != value->first) il_put_raw(buffer, ",");
        if (value->kind == IL_OBJECT) {
            il_put_text_of(buffer, member->name, member->name_size);
            il_put_raw(buffer, ":");
        }
        il_put_json(buffer, member);
    }
    il_put_raw(buffer, value->kind == IL_LIST ? "]" : "}");
}

void il_put_tokens(il_buffer *buffer, const uint32_t *tokens, size_t count) {
    il_put_raw(buffer, "[");
    for (size_t i = 0; i < count; i++) {
        if (i) il_put_raw(buffer, ",");
        il_put_int(buffer, tokens[i]);
    }
    il_put_raw(buffer, "]");
}
