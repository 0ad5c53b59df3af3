#include "providers/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/text.h"

enum { LONGEST_WAIT_DAYS = 31 };

static const char *const verdict_names[] = {
    [VERDICT_SENT] = "sent",         [VERDICT_RETRY] = "retry",
    [VERDICT_UNSENT] = "unsent",     [VERDICT_THROTTLED] = "throttled",
    [VERDICT_REJECTED] = "rejected", [VERDICT_ADDRESS_GONE] = "address_gone",
    [VERDICT_REFRESH] = "refresh",   [VERDICT_STOPPED] = "stopped",
    [VERDICT_IN_DOUBT] = "in_doubt",
};

const char *verdict_name(enum verdict_kind kind)
{
    return verdict_names[kind];
}

enum blame verdict_blame(enum verdict_kind kind)
{
    if (kind == VERDICT_ADDRESS_GONE)
        return BLAME_RECIPIENT;
    return kind == VERDICT_REJECTED ? BLAME_MESSAGE : BLAME_NOBODY;
}

struct verdict verdict_sent(const char *id)
{
    struct verdict verdict = {.kind = VERDICT_SENT};
    snprintf(verdict.provider_id, sizeof verdict.provider_id, "%s", id != NULL ? id : "");
    return verdict;
}

struct verdict verdict_make(enum verdict_kind kind, const char *format, ...)
{
    struct verdict verdict = {.kind = kind};
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(verdict.reason, sizeof verdict.reason, format, args);
    va_end(args);

    /* Parts of a reason come from a peer: one line only, and no half character where it was cut. */
    size_t size = strlen(verdict.reason);
    if (wanted >= (int)sizeof verdict.reason) {
        size_t start = size;
        while (start > 0 && ((unsigned char)verdict.reason[start - 1] & 0xC0) == 0x80)
            start--;
        if (start > 0 && (unsigned char)verdict.reason[start - 1] >= 0xC0)
            size = start - 1;
        verdict.reason[size] = '\0';
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)verdict.reason[i] < 0x20 || verdict.reason[i] == 0x7F)
            verdict.reason[i] = ' ';
    }
    return verdict;
}

static const char *const fault_names[] = {
    [FAULT_NONE] = "no answer",  [FAULT_RESOLVE] = "name look-up", [FAULT_CONNECT] = "connect",
    [FAULT_TLS] = "TLS",         [FAULT_TIMEOUT] = "timeout",      [FAULT_PROTOCOL] = "protocol",
    [FAULT_REFUSED] = "refused", [FAULT_LOGIN] = "login",          [FAULT_NOT_ALLOWED] = "connect",
};

struct verdict verdict_of_failure(const struct response *response)
{
    enum verdict_kind kind = VERDICT_IN_DOUBT;
    if (response->state == SEND_UNSENT) {
        /* A login that was refused will be refused again; TLS may be mended on the other side at any moment.
         */
        kind = response->fault == FAULT_LOGIN ? VERDICT_STOPPED : VERDICT_UNSENT;
    }
    return verdict_make(kind, "%s%s%s", fault_names[response->fault], response->error[0] != '\0' ? ": " : "",
                        response->error);
}

static int64_t bounded(int64_t ms, int64_t most)
{
    return ms < 0 ? 0 : ms < most ? ms : most;
}

static bool is_currency(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && text[3] == '\0';
}

void verdict_bound(struct verdict *verdict, int64_t now_ms)
{
    verdict->gone_since_ms = bounded(verdict->gone_since_ms, now_ms);
    verdict->not_before_ms =
        bounded(verdict->not_before_ms, now_ms + (int64_t)LONGEST_WAIT_DAYS * 24 * 3600 * 1000);
    if (!text_is_decimal(verdict->cost))
        verdict->cost[0] = '\0';
    if (verdict->cost[0] == '\0' || !is_currency(verdict->currency))
        verdict->currency[0] = '\0';
}
