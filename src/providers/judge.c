#include "providers/judge.h"

#include <string.h>
#include <strings.h>

#include "core/clock.h"

/* Longer than any word of an error text; an APNs token has 64 digits, an FCM token more. */
enum { LONGEST_WORD = 48 };

struct json_object *judge_json(const struct response *response)
{
    return response->body_truncated ? NULL : json_parse(response->body, response->body_size, NULL);
}

void judge_wait(struct verdict *verdict, const struct response *response, int64_t now_ms, int64_t fallback_ms)
{
    const char *text = response_header(response, "retry-after");
    int64_t wait = clock_retry_after(text, now_ms, fallback_ms);
    verdict->not_before_ms = wait > 0 ? now_ms + wait : 0;
}

struct verdict judge_status(const struct response *response, const char *text, int64_t now_ms)
{
    /* The first row that holds the status decides. */
    static const struct {
        int low, high;
        enum verdict_kind kind;
    } rows[] = {
        {300, 399, VERDICT_STOPPED}, /* redirects are never followed: the URL is wrong */
        {401, 401, VERDICT_STOPPED},  {403, 403, VERDICT_STOPPED}, {408, 408, VERDICT_RETRY},
        {421, 421, VERDICT_RETRY},    {425, 425, VERDICT_RETRY},   {429, 429, VERDICT_RETRY},
        {400, 499, VERDICT_REJECTED}, {500, 599, VERDICT_RETRY},
    };
    enum verdict_kind kind = VERDICT_IN_DOUBT;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (response->status >= rows[i].low && response->status <= rows[i].high) {
            kind = rows[i].kind;
            break;
        }
    }
    bool said = text != NULL && text[0] != '\0';
    struct verdict verdict =
        verdict_make(kind, "HTTP %d%s%s", response->status, said ? " " : "", said ? text : "");
    if (kind == VERDICT_RETRY)
        judge_wait(&verdict, response, now_ms, 0);
    return verdict;
}

static bool word_equals(const char *word, size_t size, const char *text, size_t text_size)
{
    return text_size > 0 && size == text_size && strncasecmp(word, text, size) == 0;
}

static bool word_is_private(const char *word, size_t size, const char *recipient)
{
    if (size > LONGEST_WORD || memchr(word, '@', size) != NULL)
        return true;
    static const char around[] = "<>()[]\"'`:;,.!";
    while (size > 0 && strchr(around, word[0]) != NULL) {
        word++;
        size--;
    }
    while (size > 0 && strchr(around, word[size - 1]) != NULL)
        size--;
    return word_equals(word, size, recipient, strlen(recipient)) ||
           word_equals(word, size, recipient, strcspn(recipient, "@"));
}

void judge_text(char *out, size_t size, const char *text, const char *recipient)
{
    static const char white[] = " \t\r\n\v\f";
    static const char hidden[] = "[hidden]";
    size_t used = 0;
    out[0] = '\0';
    for (const char *word = text == NULL ? "" : text; *(word += strspn(word, white)) != '\0';) {
        size_t length = strcspn(word, white);
        bool private = word_is_private(word, length, recipient);
        size_t shown = private ? sizeof hidden - 1 : length;
        if (used + shown + 2 > size)
            break;
        if (used > 0)
            out[used++] = ' ';
        memcpy(out + used, private ? hidden : word, shown);
        used += shown;
        out[used] = '\0';
        word += length;
    }
}
