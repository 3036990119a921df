/* SPDX-License-Identifier: MIT */
#include "core/url.h"

#include "base/error.h"
#include "base/parse.h"
#include "core/options.h"
#include "os/memory.h"

#include <arpa/inet.h>
#include <string.h>

#define SCHEME_LENGTH_MAX 32

/* user, password, host, port, path */
#define PARTS_MAX 5

/* The most keys of a query, or keywords: more than any driver knows. */
#define ARGUMENTS_MAX 256

/* ---- The target ---- */

void dbp_target_fini(dbp_target *target) {
    if (target->text)
        explicit_bzero(target->text, target->text_size);
    dbp_memory_free(target->text);
    dbp_memory_free(target->params);
    *target = (dbp_target){0};
}

/* Filling a target. Its two pieces of memory are made once, as large as the input can ask for. */
struct builder {
    dbp_target *target;
    char *end; /* of what is written of target->text */
    dbpool_config *config;
    dbpool_error *err;
};

static dbpool_status begin(struct builder *builder, size_t text_size, size_t param_count, const char *action) {
    dbp_target *target = builder->target;
    target->text = builder->end = dbp_memory_alloc(text_size);
    target->text_size = text_size;
    target->params = dbp_memory_alloc(param_count * sizeof *target->params);
    if (target->text && target->params)
        return DBPOOL_OK;
    (void)dbp_error_nomem(builder->err, action);
    return DBPOOL_ENOMEM;
}

/* Empties the target of a build that failed and gives the caller's configuration back as it was. */
static dbpool_status end(struct builder *builder, const dbpool_config *before, dbpool_status status) {
    if (status != DBPOOL_OK) {
        *builder->config = *before;
        dbp_target_fini(builder->target);
    }
    return status;
}

static void append(struct builder *builder, char c) { *builder->end++ = c; }

/* Copies bytes to the target's text and ends them with NUL. */
static char *keep(struct builder *builder, const char *text, size_t length) {
    char *copy = builder->end;
    memcpy(copy, text, length);
    copy[length] = '\0';
    builder->end += length + 1;
    return copy;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* How many bytes of `text` can be a scheme: a letter, then letters, digits, '+', '-', '.'. */
static size_t scheme_length(const char *text) {
    size_t length = 0;
    while (is_letter(text[length]) || (length > 0 && text[length] && (is_digit(text[length]) || strchr("+-.", text[length]))))
        length++;
    return length;
}

static void keep_scheme(struct builder *builder, const char *text, size_t length) {
    builder->target->scheme = keep(builder, text, length);
    for (char *at = builder->target->scheme; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
}

static void add_param(struct builder *builder, const char *key, const char *value) {
    builder->target->params[builder->target->count++] = (dbpool_param){.key = key, .value = value};
}

/* Where the target has this key, or `count`. */
static size_t index_of(const dbp_target *target, const char *key) {
    size_t i = 0;
    while (i < target->count && strcmp(target->params[i].key, key) != 0)
        i++;
    return i;
}

/* Moves the options out of the connect arguments into the configuration. */
static dbpool_status take_options(struct builder *builder) {
    dbp_target *target = builder->target;
    size_t kept = 0;
    for (size_t i = 0; i < target->count; i++) {
        dbpool_param param = target->params[i];
        if (strncmp(param.key, DBP_OPTIONS_PREFIX, strlen(DBP_OPTIONS_PREFIX)) != 0) {
            target->params[kept++] = param;
            continue;
        }
        dbpool_status status = dbp_options_set(builder->config, param.key, param.value, builder->err);
        if (status != DBPOOL_OK)
            return status;
    }
    target->count = kept;
    return DBPOOL_OK;
}

/* ---- Reading a URL ---- */

/* The URL, and how far it is read. Parts are [from, to) of `url`. */
struct reader {
    struct builder builder;
    const char *url;
    size_t at;
    size_t length;
};

/* Every complaint about a URL is made here, so that none of its text gets into one. */
static dbpool_status refuse(const struct reader *reader, size_t at, const char *reason) {
    return dbp_error_set(reader->builder.err, DBPOOL_EOPTION, "parse URL: at byte %zu: %s", at, reason);
}

/* The value of a hexadecimal digit, or -1. */
static int hex(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* One look over all of it: from here on every '%' begins a well-formed escape of a byte that is not NUL, and there is nothing invisible. */
static dbpool_status check_bytes(const struct reader *reader) {
    const char *url = reader->url;
    size_t step = 1;
    for (size_t at = 0; at < reader->length; at += step) {
        unsigned char c = (unsigned char)url[at];
        step = dbp_parse_utf8(url + at);
        if (step == 0)
            return refuse(reader, at, "a byte that is not UTF-8 must be written %XX");
        if (c <= 0x20 || c == 0x7F)
            return refuse(reader, at, "a space or control character must be written %XX");
        if (c == '#')
            return refuse(reader, at, "'#' must be written %23; a URL of a database has no fragment");
        if (c == '%' && (hex(url[at + 1]) < 0 || hex(url[at + 2]) < 0))
            return refuse(reader, at, "'%' must be followed by two hexadecimal digits");
        if (c == '%' && url[at + 1] == '0' && url[at + 2] == '0')
            return refuse(reader, at, "%00 cannot be part of a value");
    }
    return DBPOOL_OK;
}

/* Appends a part, its escapes resolved, without an end. */
static void decode(struct reader *reader, size_t from, size_t to) {
    for (size_t at = from; at < to; at++) {
        bool escaped = reader->url[at] == '%';
        append(&reader->builder, escaped ? (char)(hex(reader->url[at + 1]) * 16 + hex(reader->url[at + 2])) : reader->url[at]);
        at += escaped ? 2 : 0;
    }
}

/* The same as a text of its own. */
static char *decode_text(struct reader *reader, size_t from, size_t to) {
    char *text = reader->builder.end;
    decode(reader, from, to);
    append(&reader->builder, '\0');
    return text;
}

/* The first of these characters in a part, or its end. */
static size_t find(const struct reader *reader, size_t from, size_t to, const char *any) {
    size_t at = from;
    while (at < to && !strchr(any, reader->url[at]))
        at++;
    return at;
}

static dbpool_status read_scheme(struct reader *reader) {
    size_t length = scheme_length(reader->url);
    if (length == 0)
        return refuse(reader, 0, "a URL begins with a scheme, such as \"postgresql:\"");
    if (reader->url[length] != ':')
        return refuse(reader, length, "the scheme ends in ':' and holds letters, digits, '+', '-' and '.' only");
    if (length > SCHEME_LENGTH_MAX)
        return refuse(reader, SCHEME_LENGTH_MAX, "the scheme is too long");
    keep_scheme(&reader->builder, reader->url, length);
    reader->at = length + 1;
    return DBPOOL_OK;
}

/* An empty part is one that is not given. */
static void add_part(struct reader *reader, const char *key, size_t from, size_t to) {
    if (from < to)
        add_param(&reader->builder, key, decode_text(reader, from, to));
}

static void read_user(struct reader *reader, size_t from, size_t to) {
    size_t colon = find(reader, from, to, ":");
    add_part(reader, "user", from, colon);
    if (colon < to)
        add_part(reader, "password", colon + 1, to);
}

/* The end of the host that begins at `from`: a ':', a ',' or `to`. */
static dbpool_status find_host_end(const struct reader *reader, size_t from, size_t to, size_t *end_out) {
    *end_out = find(reader, from, to, ":,");
    if (from == to || reader->url[from] != '[')
        return DBPOOL_OK;
    size_t bracket = find(reader, from, to, "]");
    if (bracket == to)
        return refuse(reader, from, "'[' has no ']'");
    *end_out = bracket + 1;
    if (bracket + 1 < to && !strchr(":,", reader->url[bracket + 1]))
        return refuse(reader, bracket + 1, "after ']' comes a port, another host or the path");
    return DBPOOL_OK;
}

/* An address, perhaps with a zone ("fe80::1%eth0"), as it stands between brackets. */
static bool is_ipv6(const char *host) {
    char address[INET6_ADDRSTRLEN + 1] = "";
    struct in6_addr ignored;
    const char *zone = strchr(host, '%');
    size_t length = zone ? (size_t)(zone - host) : strlen(host);
    if (length >= sizeof address || (zone && !zone[1]))
        return false;
    memcpy(address, host, length);
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* Appends one host, without its brackets. A comma would make two of it for the driver. */
static dbpool_status append_host(struct reader *reader, size_t from, size_t to) {
    bool bracketed = from < to && reader->url[from] == '[';
    char *host = reader->builder.end;
    decode(reader, from + bracketed, to - bracketed);
    *reader->builder.end = '\0';
    if (bracketed && !is_ipv6(host))
        return refuse(reader, from, "brackets hold an IPv6 address");
    if (!bracketed && find(reader, from, to, "[]") < to)
        return refuse(reader, find(reader, from, to, "[]"), "'[' and ']' stand around an IPv6 address only");
    if (strchr(host, ','))
        return refuse(reader, from, "a host cannot hold a comma");
    return DBPOOL_OK;
}

static dbpool_status append_port(struct reader *reader, size_t from, size_t to) {
    char *port = reader->builder.end;
    int64_t number = 0;
    decode(reader, from, to);
    *reader->builder.end = '\0';
    if (from < to && (!dbp_parse_int(port, &number) || number < 1 || number > 65535))
        return refuse(reader, from,
                      find(reader, from, to, ":") < to ? "an IPv6 address must stand in brackets" : "a port is a number from 1 to 65535");
    return DBPOOL_OK;
}

typedef dbpool_status (*append_fn)(struct reader *reader, size_t from, size_t to);

/* Walks over the hosts, appending of each either the host or the port, joined by commas. */
static dbpool_status append_each(struct reader *reader, size_t from, size_t to, bool ports) {
    for (size_t at = from;;) {
        size_t host_end = to;
        dbpool_status status = find_host_end(reader, at, to, &host_end);
        size_t item_end = find(reader, host_end, to, ",");
        if (status == DBPOOL_OK)
            status = ports ? append_port(reader, host_end + (host_end < item_end), item_end) : append_host(reader, at, host_end);
        if (status != DBPOOL_OK || item_end == to)
            return status;
        append(&reader->builder, ',');
        at = item_end + 1;
    }
}

/* "h1:1,[::1]:2" is host="h1,::1" and port="1,2". Empty places are kept, so that hosts and ports stay side by side. */
static dbpool_status read_hosts(struct reader *reader, size_t from, size_t to, bool ports) {
    char *text = reader->builder.end;
    dbpool_status status = append_each(reader, from, to, ports);
    if (status != DBPOOL_OK)
        return status;
    append(&reader->builder, '\0');
    if (text[ports ? strspn(text, ",") : 0])
        add_param(&reader->builder, ports ? "port" : "host", text);
    return DBPOOL_OK;
}

static dbpool_status read_authority(struct reader *reader) {
    size_t from = reader->at + 2, to = find(reader, from, reader->length, "/?");
    size_t at_sign = find(reader, from, to, "@");
    reader->at = to;
    if (at_sign < to) {
        size_t second = find(reader, at_sign + 1, to, "@");
        if (second < to)
            return refuse(reader, second, "a second '@': inside a user or password it must be written %40");
        read_user(reader, from, at_sign);
        from = at_sign + 1;
    }
    dbpool_status status = read_hosts(reader, from, to, false);
    return status != DBPOOL_OK ? status : read_hosts(reader, from, to, true);
}

static dbpool_status check_key(struct reader *reader, size_t at, const char *key, size_t part_count) {
    size_t same = index_of(reader->builder.target, key);
    if (!*key)
        return refuse(reader, at, "a key is missing before '='");
    if (!dbp_parse_is_plain(key))
        return refuse(reader, at, "a key is UTF-8 text without control characters");
    if (same < part_count)
        return refuse(reader, at, "this key repeats a part that stands before the '?'");
    if (same < reader->builder.target->count)
        return refuse(reader, at, "this key is given twice");
    if (reader->builder.target->count == part_count + ARGUMENTS_MAX)
        return refuse(reader, at, "there are too many keys");
    return DBPOOL_OK;
}

static dbpool_status read_pair(struct reader *reader, size_t from, size_t to, size_t part_count) {
    size_t equals = find(reader, from, to, "=");
    if (from == to)
        return refuse(reader, from, "a key is missing");
    if (equals == to)
        return refuse(reader, from, "this key has no '=' and value");
    const char *key = decode_text(reader, from, equals);
    dbpool_status status = check_key(reader, from, key, part_count);
    if (status == DBPOOL_OK)
        add_param(&reader->builder, key, decode_text(reader, equals + 1, to));
    return status;
}

/* A query may be empty ("sqlite:shop.db?"), but no pair of it. */
static dbpool_status read_query(struct reader *reader) {
    size_t part_count = reader->builder.target->count, at = reader->at + 1;
    if (at == reader->length)
        return DBPOOL_OK;
    for (;;) {
        size_t to = find(reader, at, reader->length, "&");
        dbpool_status status = read_pair(reader, at, to, part_count);
        if (status != DBPOOL_OK || to == reader->length)
            return status;
        at = to + 1;
    }
}

static dbpool_status read_all(struct reader *reader) {
    dbpool_status status = check_bytes(reader);
    if (status == DBPOOL_OK)
        status = read_scheme(reader);
    if (status == DBPOOL_OK && strncmp(reader->url + reader->at, "//", 2) == 0)
        status = read_authority(reader);
    if (status != DBPOOL_OK)
        return status;
    size_t path = reader->at;
    reader->at = find(reader, path, reader->length, "?");
    add_part(reader, "path", path, reader->at);
    return reader->at < reader->length ? read_query(reader) : DBPOOL_OK;
}

dbpool_status dbp_target_from_url(const char *url, dbp_target *out, dbpool_config *config, dbpool_error *err) {
    *out = (dbp_target){0};
    if (!url)
        return dbp_error_set(err, DBPOOL_EINVAL, "parse URL: it is NULL");
    dbpool_config before = *config;
    struct reader reader = {
        .builder = {.target = out, .config = config, .err = err},
          .url = url
    };
    reader.length = strnlen(url, DBP_URL_LENGTH_MAX + 1);
    if (reader.length > DBP_URL_LENGTH_MAX)
        return dbp_error_set(err, DBPOOL_EOPTION, "parse URL: it is longer than %d bytes", DBP_URL_LENGTH_MAX);
    /* Each part takes a byte more than its own for its end, and has at least one; the commas between hosts are written twice. */
    dbpool_status status = begin(&reader.builder, 2 * reader.length + 2, PARTS_MAX + ARGUMENTS_MAX, "parse URL");
    if (status == DBPOOL_OK)
        status = read_all(&reader);
    if (status == DBPOOL_OK)
        status = take_options(&reader.builder);
    return end(&reader.builder, &before, status);
}

/* ---- Reading arrays ---- */

static const char ARRAYS[] = "read connect arguments";

static dbpool_status refuse_keyword(const struct builder *builder, size_t index, const char *reason) {
    return dbp_error_set(builder->err, DBPOOL_EOPTION, "%s: keyword %zu %s", ARRAYS, index, reason);
}

/* How many keywords there are, and the bytes that all of it takes. */
static size_t count_keywords(const char *const *keywords, const char *const *values, size_t *size_out) {
    size_t count = 0;
    for (; keywords && keywords[count]; count++)
        *size_out += strlen(keywords[count]) + 1 + (values[count] ? strlen(values[count]) + 1 : 0);
    return count;
}

static dbpool_status read_keyword(struct builder *builder, size_t index, const char *keyword, const char *value) {
    if (!*keyword)
        return refuse_keyword(builder, index, "is empty");
    if (!dbp_parse_is_plain(keyword))
        return refuse_keyword(builder, index, "is not UTF-8 text without control characters");
    if (index_of(builder->target, keyword) < builder->target->count)
        return refuse_keyword(builder, index, "is given twice");
    const char *key = keep(builder, keyword, strlen(keyword));
    add_param(builder, key, keep(builder, value, strlen(value)));
    return DBPOOL_OK;
}

static dbpool_status read_keywords(struct builder *builder, const char *const *keywords, const char *const *values) {
    for (size_t i = 0; keywords && keywords[i]; i++) {
        dbpool_status status = values[i] ? read_keyword(builder, i, keywords[i], values[i]) : DBPOOL_OK;
        if (status != DBPOOL_OK)
            return status;
    }
    return take_options(builder);
}

dbpool_status dbp_target_from_arrays(const char *scheme, const char *const *keywords, const char *const *values, dbp_target *out,
                                     dbpool_config *config, dbpool_error *err) {
    *out = (dbp_target){0};
    if (!scheme || (keywords && keywords[0] && !values))
        return dbp_error_set(err, DBPOOL_EINVAL, "%s: the %s NULL", ARRAYS, scheme ? "values are" : "scheme is");
    size_t length = scheme_length(scheme), size = length + 1;
    if (length == 0 || scheme[length] || length > SCHEME_LENGTH_MAX)
        return dbp_error_set(err, DBPOOL_EOPTION, "%s: the scheme is not a letter and up to %d letters, digits, '+', '-' or '.'", ARRAYS,
                             SCHEME_LENGTH_MAX - 1);
    size_t count = count_keywords(keywords, values, &size);
    if (count > ARGUMENTS_MAX || size > DBP_URL_LENGTH_MAX)
        return dbp_error_set(err, DBPOOL_EOPTION, "%s: there are more than %d keywords or %d bytes", ARRAYS, ARGUMENTS_MAX,
                             DBP_URL_LENGTH_MAX);
    dbpool_config before = *config;
    struct builder builder = {.target = out, .config = config, .err = err};
    dbpool_status status = begin(&builder, size, count + 1, ARRAYS);
    if (status == DBPOOL_OK) {
        keep_scheme(&builder, scheme, length);
        status = read_keywords(&builder, keywords, values);
    }
    return end(&builder, &before, status);
}
