#include "sandbox/vendors/sms.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "sandbox/wire/form.h"

enum { VALUE_MAX = 65536, NUMBER_LEAST = 7, NUMBER_DIGITS = 15, SHORT_CODE_LEAST = 3, NAME_MAX_OCTETS = 11 };

size_t sms_fault_of(const struct sms_fault *faults, size_t count, int magic)
{
    for (size_t i = 1; i < count; i++)
        if (faults[i].magic == magic)
            return i;
    return count - 1;
}

void sms_refuse(struct vendors *vendors, struct exchange *x, const struct sms_fault *fault, const char *type)
{
    if (fault->http == 429 || fault->http == 503)
        http_set_header(x, "retry-after", "1");
    vendor_refuse(vendors, x, CHANNEL_SMS, fault->reason, fault->http, type);
}

void sms_id(struct vendors *vendors, char id[SMS_ID_SIZE])
{
    snprintf(id, SMS_ID_SIZE, "%016llx%016llx", (unsigned long long)clock_ms(),
             (unsigned long long)++vendors->next_id);
}

int sms_take(struct vendors *vendors, struct exchange *x, const struct sms_taken *sms, int status,
             const char *type)
{
    const struct vendor_arrival arrival = {
        .channel = CHANNEL_SMS,
        .vendor = sms->vendor,
        .id = *sms->key ? sms->key : NULL,
        .recipient = sms->to,
        .text = sms->text,
        .notes = {{"id", sms->id}, {"from", sms->from}, {"type", sms->type}, {"text", sms->text}},
        .body = x->body.data,
        .body_size = x->body.size,
    };
    uint64_t before = store_newest(vendors->store);
    int magic = vendor_take(vendors, x, &arrival, status, type);
    if (store_newest(vendors->store) != before)
        sms_log_add(vendors->sms, sms);
    return magic;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

bool sms_find(const struct vendors *vendors, const struct sms_query *query, uint64_t *back,
              struct sms_taken *sms)
{
    while (sms_log_get(vendors->sms, *back, sms)) {
        (*back)++;
        /* At home a Korean number begins with a 0 that E.164 does not have. */
        const char *national = query->national;
        bool fits = strcmp(sms->vendor, query->vendor) == 0 &&
                    (!query->type || strcmp(sms->type, query->type) == 0) &&
                    (!query->to || strcmp(sms->to, query->to) == 0) &&
                    (!national || ends_with(sms->to, national + (*national == '0'))) &&
                    (!query->key || strcmp(sms->key, query->key) == 0) && sms->at_ms >= query->start_ms &&
                    sms->at_ms <= query->end_ms;
        if (fits)
            return true;
    }
    return false;
}

const char *sms_form_text(struct arena *arena, const char *form, const char *name)
{
    struct buf value;
    buf_init(&value, VALUE_MAX);
    bool ok = form_value(form, name, &value) && strlen(buf_string(&value)) == value.size;
    const char *text = ok ? arena_strndup(arena, buf_string(&value), value.size) : NULL;
    buf_free(&value);
    return text;
}

const char *sms_query_of(const struct exchange *x)
{
    const char *query = strchr(x->path, '?');
    return query ? query + 1 : "";
}

struct json_object *sms_json(const struct exchange *x)
{
    if (x->body.overflowed || !vendor_has_type(x, "application/json"))
        return NULL;
    struct json_object *body = json_parse(buf_string(&x->body), x->body.size, NULL);
    if (json_object_is_type(body, json_type_object))
        return body;
    json_object_put(body);
    return NULL;
}

void sms_member(struct buf *out, const char *name, const char *text)
{
    if (out->size > 0 && out->data[out->size - 1] != '{')
        buf_char(out, ',');
    buf_printf(out, "\"%s\":", name);
    if (text)
        json_append_string(out, text, strlen(text));
    else
        buf_text(out, "null");
}

size_t sms_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

bool sms_is_digits(const char *text, size_t least, size_t most)
{
    size_t size = strspn(text, "0123456789");
    return text[size] == '\0' && size >= least && size <= most;
}

bool sms_is_number(const char *text)
{
    return text[0] == '+' && text[1] != '0' && sms_is_digits(text + 1, NUMBER_LEAST, NUMBER_DIGITS);
}

bool sms_is_sender(const char *text)
{
    bool has_letter = false;
    if (sms_is_number(text) || sms_is_digits(text, SHORT_CODE_LEAST, NUMBER_DIGITS))
        return true;
    for (const char *c = text; *c; c++) {
        has_letter = has_letter || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
        if ((unsigned char)*c > '~' || (!isalnum((unsigned char)*c) && strchr(" &+-_.", *c) == NULL))
            return false;
    }
    return has_letter && strlen(text) <= NAME_MAX_OCTETS;
}

int64_t sms_whole(const char *text, int64_t fallback)
{
    if (!text)
        return fallback;
    return sms_is_digits(text, 1, NUMBER_DIGITS) ? strtoll(text, NULL, 10) : -1;
}

bool sms_number(const char *country, const char *national, char number[SMS_NUMBER_SIZE])
{
    bool korean = strcmp(country, "82") == 0;
    if (!sms_is_digits(country, 0, 3) || !sms_is_digits(national, 1, NUMBER_DIGITS) ||
        (korean && *national != '0'))
        return false;
    snprintf(number, SMS_NUMBER_SIZE, "+%s%s", country, national + korean);
    return sms_is_number(number);
}

bool sms_time(const char *text, const char *format, int64_t *ms)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, format, &tm) : NULL;
    if (!end || *end)
        return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}
