/* What SMTP replies mean: by phase, enhanced code (RFC 3463) and basic code (RFC 5321, 4.2). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/mail/smtp.h"

enum { PROVIDER_WAIT_MS = 30000, THROTTLE_WAIT_MS = 60000, MATCH_TEXT = 1024, ANY = -1 };

/* Sets of phases. */
enum {
    CONNECT = 1 << SMTP_CONNECT,
    AUTH = 1 << SMTP_AUTH,
    MAIL = 1 << SMTP_MAIL,
    RCPT = 1 << SMTP_RCPT,
    DATA = 1 << SMTP_DATA,
    END = 1 << SMTP_END_OF_DATA,
    LOGIN = CONNECT | AUTH,
    RECIPIENT = RCPT | DATA | END, /* some servers look at the recipient only at the end */
    ALL = LOGIN | MAIL | RECIPIENT
};

/* Texts of servers without enhanced codes; '|' separates alternatives. */
static const char no_such_user[] = "no such user|no such mailbox|no such recipient|user unknown|unknown user|"
                                   "user not found|mailbox not found|no mailbox here";
static const char relaying[] = "relay";
static const char throttling[] = "throttling";

/*
 * The first row that fits decides. class: 2, 4 or 5, of the enhanced code if there is one, else of the basic
 * code; subject and detail: of the enhanced code, NONE = there is none. A basic code of 0 to 999 is any.
 */
enum { NONE = -2 };
static const struct rule {
    int phases;
    int class;
    int low, high; /* basic codes */
    int subject, detail;
    const char *text; /* must occur, unless NULL */
    enum verdict_kind kind;
    int64_t wait_ms;
} rules[] = {
    /* Only the reply to the end of data says that a mail was taken. */
    {END, 2, 0, 999, ANY, ANY, NULL, VERDICT_SENT, 0},
    {ALL, 2, 0, 999, ANY, ANY, NULL, VERDICT_RETRY, 0},
    {ALL ^ END, 3, 0, 999, ANY, ANY, NULL, VERDICT_RETRY, 0},

    {ALL, ANY, 530, 530, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    {ALL, ANY, 534, 535, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    {ALL, ANY, 538, 538, ANY, ANY, NULL, VERDICT_STOPPED, 0},

    /* The server as a whole is busy. */
    {ALL, 4, 421, 421, 7, ANY, NULL, VERDICT_THROTTLED, THROTTLE_WAIT_MS},
    {ALL, 4, 421, 421, ANY, ANY, NULL, VERDICT_THROTTLED, PROVIDER_WAIT_MS},
    {ALL, 4, 454, 454, ANY, ANY, throttling, VERDICT_THROTTLED, THROTTLE_WAIT_MS}, /* Amazon SES */
    {LOGIN, 4, 0, 999, ANY, ANY, NULL, VERDICT_THROTTLED, PROVIDER_WAIT_MS},
    /* This mail, this mailbox or its domain. */
    {ALL, 4, 0, 999, ANY, ANY, NULL, VERDICT_RETRY, 0},

    {LOGIN, 5, 0, 999, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    /* Bad sender. */
    {ALL, 5, 0, 999, 1, 7, NULL, VERDICT_STOPPED, 0},
    {ALL, 5, 0, 999, 1, 8, NULL, VERDICT_STOPPED, 0},
    /* Bad recipient. */
    {RECIPIENT, 5, 0, 999, 1, 1, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 0, 999, 1, 2, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 0, 999, 1, 3, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 0, 999, 1, 6, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 0, 999, 1, 10, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 0, 999, 2, 1, NULL, VERDICT_ADDRESS_GONE, 0},
    {RECIPIENT, 5, 556, 556, ANY, ANY, NULL, VERDICT_ADDRESS_GONE, 0},
    {RCPT, 5, 550, 550, NONE, NONE, no_such_user, VERDICT_ADDRESS_GONE, 0},
    /* Mailbox full, routing, server, size, content: this mail. */
    {ALL, 5, 0, 999, 2, ANY, NULL, VERDICT_REJECTED, 0},
    {ALL, 5, 0, 999, 3, ANY, NULL, VERDICT_REJECTED, 0},
    {ALL, 5, 0, 999, 4, ANY, NULL, VERDICT_REJECTED, 0},
    {ALL, 5, 0, 999, 6, ANY, NULL, VERDICT_REJECTED, 0},
    {ALL, 5, 552, 552, ANY, ANY, NULL, VERDICT_REJECTED, 0},
    /* A syntax error at RCPT without a better code is about the one argument, the address. */
    {RCPT, 5, 501, 501, ANY, ANY, NULL, VERDICT_REJECTED, 0},
    /* What would happen to every mail: a command, the sender, or relaying is refused. */
    {ALL, 5, 500, 504, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    {ALL, 5, 555, 555, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    {MAIL, 5, 0, 999, ANY, ANY, NULL, VERDICT_STOPPED, 0},
    {RCPT, 5, 0, 999, 7, ANY, relaying, VERDICT_STOPPED, 0},
    {RCPT, 5, 550, 554, NONE, NONE, relaying, VERDICT_STOPPED, 0},
    /* Policy and reputation, and what nobody knows. */
    {ALL, 5, 0, 999, ANY, ANY, NULL, VERDICT_REJECTED, 0},
};

/* A number of one to three digits; advances *text behind it. -1: none. */
static int read_number(const char **text)
{
    int number = 0, digits = 0;
    while (isdigit((unsigned char)**text) && digits < 4) {
        number = number * 10 + (**text - '0');
        (*text)++;
        digits++;
    }
    return digits >= 1 && digits <= 3 ? number : -1;
}

/* The reply's line without its basic code. */
static const char *skip_code(const char *line)
{
    for (int i = 0; i < 3; i++) {
        if (!isdigit((unsigned char)line[i]))
            return line;
    }
    return line[3] == ' ' || line[3] == '-' ? line + 4 : line + 3;
}

struct smtp_enhanced smtp_enhanced_read(const char *reply)
{
    static const struct smtp_enhanced none = {0};
    const char *text = skip_code(reply);
    struct smtp_enhanced code;
    code.class = read_number(&text);
    if ((code.class != 2 && code.class != 4 && code.class != 5) || *text++ != '.')
        return none;
    code.subject = read_number(&text);
    if (code.subject < 0 || *text++ != '.')
        return none;
    code.detail = read_number(&text);
    return code.detail < 0 || isdigit((unsigned char)*text) || *text == '.' ? none : code;
}

/* Joins the lines of a reply without their codes. */
static void join_lines(char *out, size_t size, const char *reply, bool enhanced)
{
    size_t used = 0;
    while (*reply != '\0') {
        const char *line = skip_code(reply);
        size_t end = strcspn(line, "\n");
        if (enhanced) {
            size_t code = strspn(line, "0123456789.");
            line += code;
            end -= code;
        }
        size_t room = size - used - 2;
        size_t part = end < room ? end : room;
        memcpy(out + used, line, part);
        used += part;
        out[used++] = ' ';
        if (part < end || used + 2 >= size)
            break;
        reply = line + end + (line[end] == '\n' ? 1 : 0);
    }
    out[used] = '\0';
}

static bool text_matches(const char *text, const char *alternatives)
{
    while (*alternatives != '\0') {
        char one[32];
        size_t size = strcspn(alternatives, "|");
        snprintf(one, sizeof one, "%.*s", (int)size, alternatives);
        if (strcasestr(text, one) != NULL)
            return true;
        alternatives += size + (alternatives[size] == '|' ? 1 : 0);
    }
    return false;
}

static bool part_matches(int wanted, bool enhanced, int value)
{
    return wanted == ANY || (enhanced ? wanted == value : wanted == NONE);
}

static const struct rule *rule_find(enum smtp_phase phase, int status, const struct smtp_enhanced *code,
                                    const char *text)
{
    /* An enhanced code that contradicts success or failure of the reply is worth nothing. */
    bool enhanced = code->class != 0 && (code->class == 2) == (status < 400);
    int class = enhanced ? code->class : status / 100;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if ((rule->phases & (1 << phase)) != 0 && (rule->class == ANY || rule->class == class) &&
            status >= rule->low && status <= rule->high &&
            part_matches(rule->subject, enhanced, code->subject) &&
            part_matches(rule->detail, enhanced, code->detail) &&
            (rule->text == NULL || text_matches(text, rule->text)))
            return rule;
    }
    return NULL;
}

struct verdict smtp_judge_reply(const struct response *response, const char *recipient, int64_t now_ms)
{
    static const char *const phases[] = {
        [SMTP_CONNECT] = "connect", [SMTP_AUTH] = "AUTH", [SMTP_MAIL] = "MAIL",
        [SMTP_RCPT] = "RCPT",       [SMTP_DATA] = "DATA", [SMTP_END_OF_DATA] = "end of data",
    };
    const char *reply = response->body != NULL ? response->body : "";
    struct smtp_enhanced code = smtp_enhanced_read(reply);
    char joined[MATCH_TEXT], text[MATCH_TEXT], number[24] = "";
    join_lines(joined, sizeof joined, reply, code.class != 0);
    /* Without addresses, so that no recipient can spell out a text that stops a provider. */
    judge_text(text, sizeof text, joined, recipient);
    if (code.class != 0)
        snprintf(number, sizeof number, " %d.%d.%d", code.class, code.subject, code.detail);

    const struct rule *rule = rule_find(response->phase, response->status, &code, text);
    enum verdict_kind kind = rule != NULL                          ? rule->kind
                             : response->phase == SMTP_END_OF_DATA ? VERDICT_IN_DOUBT
                                                                   : VERDICT_RETRY;
    if (kind == VERDICT_SENT)
        return verdict_sent(NULL);
    struct verdict verdict =
        verdict_make(kind, "%d%s at %s: %s", response->status, number, phases[response->phase], text);
    if (rule != NULL && rule->wait_ms > 0)
        verdict.not_before_ms = now_ms + rule->wait_ms;
    return verdict;
}
