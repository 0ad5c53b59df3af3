#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/suite.h"
#include "transport/smtp/smtp_dialogue.h"

static const char body[] = "Subject: hi\r\n\r\n.dot\r\n..two\r\nlast\r\n";
static const struct smtp_mail mail = {
    .from = "me@example.com", .to = "you@example.com", .body = body, .body_size = sizeof body - 1};
static const struct smtp_login login = {.helo = "client.example", .username = "user", .password = "pencil"};
static const struct smtp_login nobody = {.helo = "client.example"};

/* Takes all that is to be written. The caller frees it with mem_free. */
static char *take(struct smtp_dialogue *dialogue)
{
    struct buf all;
    const char *octets;
    size_t size;
    buf_init(&all, 64 * 1024 * 1024);
    while ((size = smtp_dialogue_output(dialogue, &octets)) > 0) {
        ck_assert_uint_le(size, 16384);
        ck_assert(buf_append(&all, octets, size));
        smtp_dialogue_wrote(dialogue, size);
    }
    char *text = mem_strdup(buf_string(&all));
    buf_free(&all);
    return text;
}

static void expect(struct smtp_dialogue *dialogue, const char *text)
{
    char *taken = take(dialogue);
    ck_assert_str_eq(taken, text);
    mem_free(taken);
}

/* What a server says ("220 …"), what must then have been written ("> …", without CRLF; one or several), and
 * TLS ("*", which must have been asked for unless it stands from the start). Returns what the last line led
 * to. */
static enum smtp_move play(struct smtp_dialogue *dialogue, const char *const *lines)
{
    enum smtp_move move = SMTP_WRITE;
    char *written = mem_strdup("");
    size_t seen = 0;
    for (size_t i = 0; lines[i] != NULL; i++) {
        const char *line = lines[i];
        if (line[0] == '>') {
            char expected[200];
            snprintf(expected, sizeof expected, "%s\r\n", line + 2);
            ck_assert_msg(strncmp(written + seen, expected, strlen(expected)) == 0, "%s, not %s", line,
                          written + seen);
            seen += strlen(expected);
            continue;
        }
        ck_assert_msg(written[seen] == '\0', "before %s: %s", line, written + seen);
        if (line[0] == '*') {
            ck_assert(i == 0 || move == SMTP_STARTTLS);
            move = smtp_dialogue_secured(dialogue);
        } else {
            ck_assert_msg(move == SMTP_WRITE, "%s: move %d", line, (int)move);
            move = smtp_dialogue_line(dialogue, line, strlen(line));
        }
        mem_free(written);
        written = take(dialogue);
        seen = 0;
    }
    ck_assert_msg(written[seen] == '\0', "at the end: %s", written + seen);
    mem_free(written);
    return move;
}

static void start(struct smtp_dialogue *dialogue, const struct smtp_login *who)
{
    smtp_dialogue_init(dialogue, who);
    ck_assert_int_eq(smtp_dialogue_begin(dialogue, &mail), SMTP_WRITE);
    expect(dialogue, "");
}

/* Up to and with the mail, over TLS from the start. */
#define HELLO "*", "220 peer", "> EHLO client.example", "250 peer"
#define BEGIN "> MAIL FROM:<me@example.com>", "250 ok", "> RCPT TO:<you@example.com>", "250 ok", "> DATA"
#define BODY  "> Subject: hi", "> ", "> ..dot", "> ...two", "> last", "> ."
#define CLEAR "220 peer", "> EHLO client.example"
#define TLS   "> STARTTLS", "220 go", "*", "> EHLO client.example"
#define PLAIN "> AUTH PLAIN AHVzZXIAcGVuY2ls"
#define USER  "> AUTH LOGIN", "334 VXNlcm5hbWU6", "> dXNlcg=="

static const struct dialogue_case {
    const char *name;
    const struct smtp_login *login;
    const char *lines[32];
    const char *outcome;
} dialogue_cases[] = {
    {"accepted", &nobody, {HELLO, BEGIN, "354 go", BODY, "250 as 42"}, "done, end: 250"},
    {"any 2xx and 3xx go on",
     &nobody,
     {"*", "299 x", "> EHLO client.example", "200", BEGIN, "399", BODY, "251 y"},
     "done, end: 251"},

    /* greeting */
    {"several lines",
     &nobody,
     {"*", "220-peer", "220-is", "220 here", "> EHLO client.example"},
     "go on, connect"},
    {"refused", &nobody, {"*", "554 go away"}, "done, connect: 554, spent"},
    {"busy", &nobody, {"421 later"}, "done, connect: 421, spent"},
    {"not SMTP", &nobody, {"HTTP/1.1 400 Bad Request"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"3xx", &nobody, {"354 more"}, "broken, connect: fault protocol, unexpected reply"},

    /* EHLO and STARTTLS */
    {"to TLS",
     &login,
     {CLEAR, "250-peer", "250-SIZE 1000", "250 STARTTLS", TLS, "250 AUTH PLAIN", PLAIN},
     "go on, auth"},
    {"in small letters", &login, {CLEAR, "250 starttls", TLS, "250 auth plain", PLAIN}, "go on, auth"},
    {"not offered",
     &login,
     {CLEAR, "250-peer", "250 AUTH PLAIN"},
     "broken, connect: fault tls, STARTTLS is not offered"},
    {"only a word that begins so",
     &login,
     {CLEAR, "250-STARTTLSX", "250 STARTTLS 1"},
     "broken, connect: fault tls, STARTTLS is not offered"},
    {"without a login, no mail in clear either",
     &nobody,
     {CLEAR, "250 peer"},
     "broken, connect: fault tls, STARTTLS is not offered"},
    {"EHLO refused", &login, {CLEAR, "502 what"}, "done, connect: 502, spent"},
    {"STARTTLS put off",
     &login,
     {CLEAR, "250 STARTTLS", "> STARTTLS", "454 later"},
     "done, connect: 454, spent"},
    {"what was offered in clear is forgotten",
     &login,
     {CLEAR, "250-STARTTLS", "250 AUTH PLAIN", TLS, "250 peer"},
     "broken, connect: fault login, neither AUTH PLAIN nor AUTH LOGIN is offered"},

    /* login */
    {"PLAIN before LOGIN",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN PLAIN", PLAIN, "235 ok", "> MAIL FROM:<me@example.com>"},
     "go on, mail"},
    {"an old way to say it", &login, {"*", CLEAR, "250 AUTH=PLAIN", PLAIN}, "go on, auth"},
    {"no word that begins so",
     &login,
     {"*", CLEAR, "250 AUTH PLAINER XLOGIN"},
     "broken, connect: fault login, neither AUTH PLAIN nor AUTH LOGIN is offered"},
    {"LOGIN",
     &login,
     {"*", CLEAR, "250-AUTH LOGIN", "250 SIZE", USER, "334 UGFzc3dvcmQ6", "> cGVuY2ls", "235 ok",
      "> MAIL FROM:<me@example.com>"},
     "go on, mail"},
    {"PLAIN refused",
     &login,
     {"*", CLEAR, "250 AUTH PLAIN", PLAIN, "535 no"},
     "broken, auth: fault login, login refused: 535"},
    {"PLAIN put off", &login, {"*", CLEAR, "250 AUTH PLAIN", PLAIN, "454 later"}, "done, auth: 454, spent"},
    {"LOGIN refused",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN", "> AUTH LOGIN", "504 no"},
     "broken, auth: fault login, login refused: 504"},
    {"user refused",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN", USER, "535 no"},
     "broken, auth: fault login, login refused: 535"},
    {"password refused",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN", USER, "334 x", "> cGVuY2ls", "535 no"},
     "broken, auth: fault login, login refused: 535"},
    {"password put off",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN", USER, "334 x", "> cGVuY2ls", "421 later"},
     "done, auth: 421, spent"},
    {"accepted at once",
     &login,
     {"*", CLEAR, "250 AUTH LOGIN", "> AUTH LOGIN", "235 ok"},
     "broken, auth: fault protocol, unexpected reply"},

    /* the transaction */
    {"sender refused", &nobody, {HELLO, "> MAIL FROM:<me@example.com>", "553 who"}, "done, mail: 553"},
    {"recipient refused",
     &nobody,
     {HELLO, "> MAIL FROM:<me@example.com>", "250 ok", "> RCPT TO:<you@example.com>", "550-no", "550 one"},
     "done, rcpt: 550"},
    {"421 ends it",
     &nobody,
     {HELLO, "> MAIL FROM:<me@example.com>", "250 ok", "> RCPT TO:<you@example.com>", "421 bye"},
     "done, rcpt: 421, spent"},
    {"DATA put off", &nobody, {HELLO, BEGIN, "451 later"}, "done, data: 451"},
    {"accepted before it was sent",
     &nobody,
     {HELLO, BEGIN, "250 taken"},
     "broken, data: fault protocol, unexpected reply"},
    {"refused at the end", &nobody, {HELLO, BEGIN, "354 go", BODY, "554 spam"}, "done, end: 554"},
    {"more is wanted",
     &nobody,
     {HELLO, BEGIN, "354 go", BODY, "354 more"},
     "broken, end: fault protocol, unexpected reply"},

    /* what is a reply */
    {"empty", &nobody, {""}, "broken, connect: fault protocol, not an SMTP reply"},
    {"two digits", &nobody, {"22"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"four digits", &nobody, {"2200 x"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"letters", &nobody, {"2x0 x"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"1xx", &nobody, {"120 x"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"6xx", &nobody, {"620 x"}, "broken, connect: fault protocol, not an SMTP reply"},
    {"garbage at the end of data",
     &nobody,
     {HELLO, BEGIN, "354 go", BODY, "blah"},
     "broken, end: fault protocol, not an SMTP reply"},
};

/* What a move and the fields that go with it say. */
static void describe(char *text, size_t size, const struct smtp_dialogue *dialogue, enum smtp_move move)
{
    static const char *const phases[] = {
        [SMTP_CONNECT] = "connect", [SMTP_AUTH] = "auth", [SMTP_MAIL] = "mail",
        [SMTP_RCPT] = "rcpt",       [SMTP_DATA] = "data", [SMTP_END_OF_DATA] = "end"};
    static const char *const faults[] = {
        [FAULT_NONE] = "none", [FAULT_TLS] = "tls", [FAULT_PROTOCOL] = "protocol", [FAULT_LOGIN] = "login"};
    const char *phase = phases[dialogue->phase];
    if (move == SMTP_DONE)
        snprintf(text, size, "done, %s: %d%s", phase, dialogue->code, dialogue->spent ? ", spent" : "");
    else if (move == SMTP_BROKEN)
        snprintf(text, size, "broken, %s: fault %s, %s", phase, faults[dialogue->fault], dialogue->error);
    else
        snprintf(text, size, "go on, %s", phase);
}

START_TEST(test_dialogue)
{
    const struct dialogue_case *row = &dialogue_cases[_i];
    struct smtp_dialogue dialogue;
    char outcome[200];
    start(&dialogue, row->login);
    enum smtp_move move = play(&dialogue, row->lines);
    describe(outcome, sizeof outcome, &dialogue, move);
    ck_assert_msg(strcmp(outcome, row->outcome) == 0, "%s: %s", row->name, outcome);
    /* Only what goes wrong after the end of data and is no answer leaves a doubt. */
    bool doubt = dialogue.phase == SMTP_END_OF_DATA && move == SMTP_BROKEN;
    ck_assert_msg(smtp_dialogue_in_doubt(&dialogue) == doubt, "%s: doubt", row->name);
    ck_assert_int_eq(smtp_dialogue_is_idle(&dialogue), move == SMTP_DONE);
    smtp_dialogue_free(&dialogue);
}
END_TEST

/* The text of the deciding reply and of no earlier one. */
START_TEST(test_reply_text)
{
    struct smtp_dialogue dialogue;
    start(&dialogue, &nobody);
    const char *const lines[] = {HELLO, "> MAIL FROM:<me@example.com>", "550-one", "550-two", "550 three",
                                 NULL};
    ck_assert_int_eq(play(&dialogue, lines), SMTP_DONE);
    ck_assert_str_eq(buf_string(&dialogue.reply), "550-one\n550-two\n550 three");
    ck_assert(!dialogue.reply_truncated);
    smtp_dialogue_free(&dialogue);
}
END_TEST

START_TEST(test_long_reply)
{
    struct smtp_dialogue dialogue;
    char line[1000];
    memset(line, 'x', sizeof line);
    memcpy(line, "554-", 4);
    start(&dialogue, &nobody);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(smtp_dialogue_line(&dialogue, line, sizeof line), SMTP_WRITE);
    line[3] = ' ';
    ck_assert_int_eq(smtp_dialogue_line(&dialogue, line, sizeof line), SMTP_DONE);
    ck_assert_uint_eq(dialogue.reply.size, RESPONSE_MAX_BODY);
    ck_assert(dialogue.reply_truncated);
    ck_assert_int_eq(dialogue.code, 554);
    smtp_dialogue_free(&dialogue);
}
END_TEST

/* A refused mail is taken back before the next one; an accepted one needs no RSET. */
START_TEST(test_next_mail)
{
    struct smtp_dialogue dialogue;
    const char *const refused[] = {HELLO, BEGIN, "354 go", BODY, "554 spam", NULL};
    start(&dialogue, &nobody);
    ck_assert_int_eq(play(&dialogue, refused), SMTP_DONE);

    static const char *const again[] = {"250 ok", BEGIN, "354 go", BODY, "250 as 42", NULL};
    ck_assert_int_eq(smtp_dialogue_begin(&dialogue, &mail), SMTP_WRITE);
    ck_assert_int_eq(dialogue.phase, SMTP_CONNECT);
    expect(&dialogue, "RSET\r\n");
    ck_assert_int_eq(play(&dialogue, again), SMTP_DONE);
    ck_assert_int_eq(dialogue.code, 250);
    ck_assert(smtp_dialogue_is_idle(&dialogue));

    const struct smtp_mail other = {.from = "a@b", .to = "c@d", .body = "x", .body_size = 1};
    static const char *const last[] = {"250 ok", "> RCPT TO:<c@d>", "250 ok", "> DATA", "354", "> x", "> .",
                                       NULL};
    ck_assert_int_eq(smtp_dialogue_begin(&dialogue, &other), SMTP_WRITE);
    expect(&dialogue, "MAIL FROM:<a@b>\r\n");
    ck_assert(!smtp_dialogue_in_doubt(&dialogue));
    ck_assert_int_eq(play(&dialogue, last), SMTP_WRITE);
    ck_assert(smtp_dialogue_in_doubt(&dialogue));
    smtp_dialogue_free(&dialogue);
}
END_TEST

/* A connection whose RSET is refused has a mail answered so. */
START_TEST(test_reset_refused)
{
    struct smtp_dialogue dialogue;
    const char *const refused[] = {HELLO, "> MAIL FROM:<me@example.com>", "550 no", NULL};
    static const char *const reset[] = {"451 no", NULL};
    start(&dialogue, &nobody);
    ck_assert_int_eq(play(&dialogue, refused), SMTP_DONE);
    ck_assert_int_eq(smtp_dialogue_begin(&dialogue, &mail), SMTP_WRITE);
    expect(&dialogue, "RSET\r\n");
    ck_assert_int_eq(play(&dialogue, reset), SMTP_DONE);
    ck_assert_int_eq(dialogue.phase, SMTP_CONNECT);
    ck_assert_int_eq(dialogue.code, 451);
    ck_assert(!dialogue.spent);
    smtp_dialogue_free(&dialogue);
}
END_TEST

START_TEST(test_word_while_idle)
{
    struct smtp_dialogue dialogue;
    const char *const refused[] = {HELLO, "> MAIL FROM:<me@example.com>", "550 no", NULL};
    start(&dialogue, &nobody);
    ck_assert_int_eq(play(&dialogue, refused), SMTP_DONE);
    ck_assert_int_eq(smtp_dialogue_line(&dialogue, "421 bye", 7), SMTP_BROKEN);
    ck_assert(!smtp_dialogue_in_doubt(&dialogue));
    smtp_dialogue_free(&dialogue);
}
END_TEST

START_TEST(test_long_login)
{
    struct smtp_dialogue dialogue;
    char password[3000];
    memset(password, 'x', sizeof password - 1);
    password[sizeof password - 1] = '\0';
    const struct smtp_login longest = {.helo = "client.example", .username = "user", .password = password};
    static const char *const lines[] = {"*", CLEAR, "250 AUTH PLAIN", NULL};
    start(&dialogue, &longest);
    ck_assert_int_eq(play(&dialogue, lines), SMTP_BROKEN);
    ck_assert_int_eq(dialogue.fault, FAULT_LOGIN);
    ck_assert_str_eq(dialogue.error, "username or password is too long");
    smtp_dialogue_free(&dialogue);
}
END_TEST

/* ---- the body ---- */

/* Brings a dialogue to the point where the body is asked for. */
static void start_body(struct smtp_dialogue *dialogue, const char *text, size_t size)
{
    static const char *const lines[] = {HELLO, BEGIN, NULL};
    struct smtp_mail one = mail;
    one.body = text;
    one.body_size = size;
    smtp_dialogue_init(dialogue, &nobody);
    ck_assert_int_eq(smtp_dialogue_begin(dialogue, &one), SMTP_WRITE);
    ck_assert_int_eq(play(dialogue, lines), SMTP_WRITE);
    ck_assert_int_eq(smtp_dialogue_line(dialogue, "354 go", 6), SMTP_WRITE);
}

static const struct body_case {
    const char *body;
    const char *sent;
} body_cases[] = {
    {"", ".\r\n"},
    {".", "..\r\n.\r\n"},
    {"..", "...\r\n.\r\n"},
    {"a", "a\r\n.\r\n"},
    {"a\r\n", "a\r\n.\r\n"},
    {".\r\n", "..\r\n.\r\n"},
    {"a.b\r\n.\r\n.c", "a.b\r\n..\r\n..c\r\n.\r\n"},
    {"\r\n\r\n.", "\r\n\r\n..\r\n.\r\n"},
    {"a\n.b\n", "a\n..b\n.\r\n"}, /* a server may take a bare LF for the end of a line */
};

START_TEST(test_body)
{
    struct smtp_dialogue dialogue;
    start_body(&dialogue, body_cases[_i].body, strlen(body_cases[_i].body));
    expect(&dialogue, body_cases[_i].sent);
    ck_assert(smtp_dialogue_in_doubt(&dialogue));
    smtp_dialogue_free(&dialogue);
}
END_TEST

/* Large bodies go in pieces of 32 KB; a line that ends, or begins with a dot, at such a border is none the
 * worse. */
START_TEST(test_borders)
{
    enum { SIZE = 100000, BORDER = 32 * 1024 };
    static const char *const cuts[] = {"\r\n.x", "\r\n..", "....", "x\r\n.", "\n.\n."};
    char *text = mem_alloc(SIZE + 1);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        for (size_t shift = 0; shift <= 4; shift++) {
            struct smtp_dialogue dialogue;
            struct buf expected;
            memset(text, 'x', SIZE);
            memcpy(text + BORDER - shift, cuts[i], 4);
            memcpy(text + 2 * BORDER - shift, cuts[i], 4);
            buf_init(&expected, 4 * SIZE);
            for (size_t at = 0; at < SIZE; at++) {
                if (text[at] == '.' && (at == 0 || text[at - 1] == '\n'))
                    ck_assert(buf_char(&expected, '.'));
                ck_assert(buf_char(&expected, text[at]));
            }
            ck_assert(buf_text(&expected, "\r\n.\r\n"));
            start_body(&dialogue, text, SIZE);
            char *sent = take(&dialogue);
            ck_assert_msg(strcmp(sent, buf_string(&expected)) == 0, "cut %zu shifted by %zu", i, shift);
            mem_free(sent);
            buf_free(&expected);
            smtp_dialogue_free(&dialogue);
        }
    }
    mem_free(text);
}
END_TEST

/* However the octets leave: in doubt with the very last one of the end of data, and not before. */
START_TEST(test_doubt)
{
    enum { SIZE = 40000 };
    static const size_t steps[] = {1, 7, 1000, 16384};
    char *text = mem_alloc(SIZE);
    memset(text, 'x', SIZE);
    size_t all = SIZE + 5; /* \r\n.\r\n */
    struct smtp_dialogue dialogue;
    start_body(&dialogue, text, SIZE);
    size_t written = 0;
    for (;;) {
        const char *octets;
        ck_assert(!smtp_dialogue_in_doubt(&dialogue));
        size_t size = smtp_dialogue_output(&dialogue, &octets);
        ck_assert_uint_gt(size, 0);
        ck_assert_int_eq(smtp_dialogue_in_doubt(&dialogue), written + size == all);
        if (written + size == all)
            break;
        size = size < steps[_i] ? size : steps[_i];
        smtp_dialogue_wrote(&dialogue, size);
        written += size;
    }
    /* What was handed on may have arrived, whether or not it counts as written. */
    ck_assert_int_eq(smtp_dialogue_line(&dialogue, "250 taken", 9), SMTP_DONE);
    ck_assert(!smtp_dialogue_in_doubt(&dialogue));
    ck_assert(dialogue.spent); /* octets are left */
    smtp_dialogue_free(&dialogue);
    mem_free(text);
}
END_TEST

/* A reply that comes while the body is still being sent. */
static const struct early_case {
    const char *line;
    enum smtp_move move;
    enum send_fault fault;
    int code;
} early_cases[] = {
    {"552 too large", SMTP_DONE, FAULT_NONE, 552},
    {"421 bye", SMTP_DONE, FAULT_NONE, 421},
    {"250 taken", SMTP_BROKEN, FAULT_PROTOCOL, 0},
    {"blah", SMTP_BROKEN, FAULT_PROTOCOL, 0},
};

START_TEST(test_early_reply)
{
    enum { SIZE = 100000 };
    const struct early_case *row = &early_cases[_i];
    struct smtp_dialogue dialogue;
    const char *octets;
    char *text = mem_alloc(SIZE);
    memset(text, 'x', SIZE);
    start_body(&dialogue, text, SIZE);
    smtp_dialogue_wrote(&dialogue, smtp_dialogue_output(&dialogue, &octets));
    ck_assert_int_eq(smtp_dialogue_line(&dialogue, row->line, strlen(row->line)), row->move);
    ck_assert_int_eq(dialogue.fault, row->fault);
    ck_assert_int_eq(dialogue.code, row->code);
    ck_assert_int_eq(dialogue.phase, SMTP_END_OF_DATA);
    ck_assert(!smtp_dialogue_in_doubt(&dialogue));
    ck_assert(row->move != SMTP_DONE || dialogue.spent);
    smtp_dialogue_free(&dialogue);
    mem_free(text);
}
END_TEST

/* ---- what cannot be put into commands ---- */

START_TEST(test_check)
{
    static const char *const bad[] = {NULL,          "",      "a b@c", "a@b>",   "<a@b",
                                      "a@b\r\nDATA", "a@b\n", "a\tb",  "a\x7f@b"};
    ck_assert_ptr_null(smtp_dialogue_check(&mail, NULL));
    ck_assert_ptr_null(smtp_dialogue_check(&mail, "client.example"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct smtp_mail from = mail, to = mail;
        from.from = bad[i];
        to.to = bad[i];
        ck_assert_str_eq(smtp_dialogue_check(&from, NULL), "bad mail address");
        ck_assert_str_eq(smtp_dialogue_check(&to, NULL), "bad mail address");
        if (bad[i] != NULL)
            ck_assert_str_eq(smtp_dialogue_check(&mail, bad[i]), "bad EHLO name");
    }
}
END_TEST

#define ADD(test, rows)                                                                                      \
    do {                                                                                                     \
        TCase *case_ = tcase_create(#test);                                                                  \
        tcase_add_loop_test(case_, test, 0, rows);                                                           \
        suite_add_tcase(suite, case_);                                                                       \
    } while (0)
#define ROWS(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("smtp_dialogue");
    ADD(test_dialogue, ROWS(dialogue_cases));
    suite_add(suite, test_reply_text);
    suite_add(suite, test_long_reply);
    suite_add(suite, test_next_mail);
    suite_add(suite, test_reset_refused);
    suite_add(suite, test_word_while_idle);
    suite_add(suite, test_long_login);
    ADD(test_body, ROWS(body_cases));
    suite_add(suite, test_borders);
    ADD(test_doubt, 4);
    ADD(test_early_reply, ROWS(early_cases));
    suite_add(suite, test_check);
    return suite_run(suite);
}
