#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "support/sender.h"
#include "support/suite.h"

static const char mail_text[] = "Subject: hi\r\n\r\n.dot\r\n..two\r\nlast\r\n";
static const struct endpoint_options login = {
    .helo = "client.example", .username = "user", .password = "pencil", .connections = 1};

static void mail(struct sender *sender, struct answer *answer)
{
    sender_mail(sender, answer, "you@example.com", mail_text, sizeof mail_text - 1, 0);
}

static const enum peer_kind kinds[] = {PEER_SMTP, PEER_SMTPS};

START_TEST(test_delivery)
{
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = kinds[_i]};
    sender_start(&sender, &peer, &login, NULL);
    for (int i = 0; i < 3; i++) {
        mail(&sender, &answer);
        sender_run(&sender, 0);
        answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 250);
        ck_assert_int_eq(answer.phase, SMTP_END_OF_DATA);
        ck_assert_str_eq(answer.body, "250-2.0.0 taken\n250 2.0.0 as 42");
    }
    char *received = peer_mail(sender.peer);
    ck_assert_str_eq(received, mail_text);
    mem_free(received);
    ck_assert_uint_eq(peer_connections(sender.peer), 1); /* reused */
    ck_assert_uint_eq(peer_count(sender.peer, "EHLO client.example"), kinds[_i] == PEER_SMTP ? 2 : 1);
    ck_assert_uint_eq(peer_count(sender.peer, "STARTTLS"), kinds[_i] == PEER_SMTP);
    /* RFC 4616: base64 of NUL "user" NUL "pencil" */
    ck_assert_uint_eq(peer_count(sender.peer, "AUTH PLAIN AHVzZXIAcGVuY2ls"), 1);
    ck_assert_uint_eq(peer_count(sender.peer, "MAIL FROM:<me@example.com>"), 3);
    ck_assert_uint_eq(peer_count(sender.peer, "RCPT TO:<you@example.com>"), 3);
    ck_assert_uint_eq(peer_count(sender.peer, "."), 3);
    sender_stop(&sender);
}
END_TEST

/* A line is whole when its end has come, however many reads that takes. */
START_TEST(test_dribbled_replies)
{
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = kinds[_i], .dribble = true};
    sender_start(&sender, &peer, &login, NULL);
    mail(&sender, &answer);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 250);
    ck_assert_str_eq(answer.body, "250-2.0.0 taken\n250 2.0.0 as 42");
    sender_stop(&sender);
}
END_TEST

START_TEST(test_auth_login)
{
    static const struct peer_reply replies[] = {{"EHLO", "250-peer\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n"},
                                                {"AUTH", "334 VXNlcm5hbWU6\r\n"},
                                                {"+", "334 UGFzc3dvcmQ6\r\n"},
                                                {NULL, NULL}};
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = PEER_SMTP, .replies = replies};
    sender_start(&sender, &peer, &login, NULL);
    mail(&sender, &answer);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 250);
    ck_assert_uint_eq(peer_count(sender.peer, "dXNlcg=="), 1);
    ck_assert_uint_eq(peer_count(sender.peer, "cGVuY2ls"), 1);
    sender_stop(&sender);
}
END_TEST

static const struct reply_case {
    struct peer_reply replies[2];
    enum send_state state;
    enum send_fault fault;
    int status;
    enum smtp_phase phase;
    size_t mails; /* that the peer got to the end */
} reply_cases[] = {
    {{{"", "554 5.7.1 go away\r\n"}}, SEND_ANSWERED, FAULT_NONE, 554, SMTP_CONNECT, 0},
    {{{"EHLO", "421 4.3.2 down\r\n"}}, SEND_ANSWERED, FAULT_NONE, 421, SMTP_CONNECT, 0},
    {{{"STARTTLS", "454 4.7.0 later\r\n"}}, SEND_ANSWERED, FAULT_NONE, 454, SMTP_CONNECT, 0},
    {{{"AUTH", "535 5.7.8 no\r\n"}}, SEND_UNSENT, FAULT_LOGIN, 0, SMTP_AUTH, 0},
    {{{"AUTH", "454 4.7.0 later\r\n"}}, SEND_ANSWERED, FAULT_NONE, 454, SMTP_AUTH, 0},
    {{{"MAIL", "553 5.1.8 who\r\n"}}, SEND_ANSWERED, FAULT_NONE, 553, SMTP_MAIL, 0},
    {{{"RCPT", "550-5.1.1 no\r\n550 5.1.1 one\r\n"}}, SEND_ANSWERED, FAULT_NONE, 550, SMTP_RCPT, 0},
    {{{"RCPT", "421 4.3.2 bye\r\n"}}, SEND_ANSWERED, FAULT_NONE, 421, SMTP_RCPT, 0},
    {{{"DATA", "451 4.3.0 later\r\n"}}, SEND_ANSWERED, FAULT_NONE, 451, SMTP_DATA, 0},
    {{{".", "554 5.7.1 spam\r\n"}}, SEND_ANSWERED, FAULT_NONE, 554, SMTP_END_OF_DATA, 1},
    {{{"", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_CONNECT, 0},
    {{{"EHLO", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_CONNECT, 0},
    {{{"AUTH", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_AUTH, 0},
    {{{"MAIL", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_MAIL, 0},
    {{{"RCPT", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_RCPT, 0},
    {{{"DATA", NULL}}, SEND_UNSENT, FAULT_CONNECT, 0, SMTP_DATA, 0},
    {{{".", NULL}}, SEND_IN_DOUBT, FAULT_CONNECT, 0, SMTP_END_OF_DATA, 1},
    {{{"", ""}}, SEND_UNSENT, FAULT_TIMEOUT, 0, SMTP_CONNECT, 0},
    {{{"RCPT", ""}}, SEND_UNSENT, FAULT_TIMEOUT, 0, SMTP_RCPT, 0},
    {{{".", ""}}, SEND_IN_DOUBT, FAULT_TIMEOUT, 0, SMTP_END_OF_DATA, 1},
    {{{"RCPT", "blah\r\n"}}, SEND_UNSENT, FAULT_PROTOCOL, 0, SMTP_RCPT, 0},
    {{{".", "blah\r\n"}}, SEND_IN_DOUBT, FAULT_PROTOCOL, 0, SMTP_END_OF_DATA, 1},
    {{{"DATA", "250 2.0.0 taken\r\n"}}, SEND_UNSENT, FAULT_PROTOCOL, 0, SMTP_DATA, 0},
    {{{".", "354 more\r\n"}}, SEND_IN_DOUBT, FAULT_PROTOCOL, 0, SMTP_END_OF_DATA, 1},
    {{{"EHLO", "250 nothing\r\n"}}, SEND_UNSENT, FAULT_TLS, 0, SMTP_CONNECT, 0},
    {{{"STARTTLS", "220 go\r\n250 injected\r\n"}}, SEND_UNSENT, FAULT_TLS, 0, SMTP_CONNECT, 0},
};

START_TEST(test_reply)
{
    const struct reply_case *row = &reply_cases[_i];
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = PEER_SMTP, .replies = row->replies};
    sender_start(&sender, &peer, &login, NULL);
    sender_mail(&sender, &answer, "you@example.com", mail_text, sizeof mail_text - 1, 600);
    sender_run(&sender, 0);
    answer_expect(&answer, row->state, row->fault, row->status);
    ck_assert_int_eq(answer.phase, row->phase);
    ck_assert_uint_eq(peer_count(sender.peer, "."), row->mails);
    if (row->status == 550)
        ck_assert_str_eq(answer.body, "550-5.1.1 no\n550 5.1.1 one");
    sender_stop(&sender);
}
END_TEST

/* A refused recipient costs no connection: RSET, and the next mail. */
START_TEST(test_reset)
{
    static const struct peer_reply replies[] = {{"RCPT", "550 5.1.1 no\r\n"}, {NULL, NULL}};
    struct sender sender;
    struct answer answers[3];
    const struct peer_options peer = {.kind = PEER_SMTPS, .replies = replies};
    sender_start(&sender, &peer, &login, NULL);
    for (int i = 0; i < 3; i++)
        mail(&sender, &answers[i]);
    sender_run(&sender, 0);
    for (int i = 0; i < 3; i++)
        answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 550);
    ck_assert_uint_eq(peer_connections(sender.peer), 1);
    ck_assert_uint_eq(peer_count(sender.peer, "RSET"), 2);
    sender_stop(&sender);
}
END_TEST

/* The connection dies, or time is up, in the middle of a large mail: the end of data was not sent. */
START_TEST(test_cut_in_data)
{
    enum { SIZE = 24000000 };
    struct sender sender;
    struct answer answer;
    char *body = mem_alloc(SIZE);
    memset(body, 'x', SIZE);
    const struct peer_options peer = {.kind = PEER_SMTPS, .stall_data = _i == 0, .cut_data = _i == 1};
    sender_start(&sender, &peer, &login, NULL);
    sender_mail(&sender, &answer, "you@example.com", body, SIZE, _i == 0 ? 800 : 0);
    sender_run(&sender, 0);
    ck_assert_int_eq(answer.phase, SMTP_END_OF_DATA);
    answer_expect(&answer, SEND_UNSENT, _i == 0 ? FAULT_TIMEOUT : FAULT_CONNECT, 0);
    ck_assert_uint_eq(peer_count(sender.peer, "."), 0);
    sender_stop(&sender);
    mem_free(body);
}
END_TEST

static const char *const bad_addresses[] = {"",      "a b@c",   "a@b>", "<a@b", "a@b\r\nDATA",
                                            "a@b\n", "a\x7f@b", NULL};

START_TEST(test_bad_address)
{
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = PEER_SMTP};
    sender_start(&sender, &peer, &login, NULL);
    sender_mail(&sender, &answer, bad_addresses[_i], mail_text, sizeof mail_text - 1, 0);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_UNSENT, FAULT_PROTOCOL, 0);
    ck_assert_uint_eq(peer_connections(sender.peer), 0);
    sender_stop(&sender);
}
END_TEST

static const struct connect_case {
    enum peer_kind kind;
    const char *names;
    enum send_fault fault;
} connect_cases[] = {
    {PEER_SMTP, "DNS:elsewhere", FAULT_TLS},
    {PEER_SMTPS, "DNS:elsewhere", FAULT_TLS},
};

START_TEST(test_wrong_certificate)
{
    struct sender sender;
    struct answer answer;
    const struct peer_options peer = {.kind = connect_cases[_i].kind, .names = connect_cases[_i].names};
    sender_start(&sender, &peer, &login, NULL);
    mail(&sender, &answer);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_UNSENT, connect_cases[_i].fault, 0);
    ck_assert_uint_eq(peer_count(sender.peer, "AUTH PLAIN AHVzZXIAcGVuY2ls"), 0);
    sender_stop(&sender);
}
END_TEST

/* Nothing in here waits for one server: a silent one does not hold up the others. */
START_TEST(test_loop_goes_on)
{
    static const struct peer_reply replies[] = {{".", ""}, {NULL, NULL}};
    struct sender sender;
    struct answer answers[2];
    struct endpoint_options two = login;
    two.connections = 2;
    const struct peer_options peer = {.kind = PEER_SMTPS, .replies = replies};
    sender_start(&sender, &peer, &two, NULL);
    int64_t start = clock_mono();
    for (int i = 0; i < 2; i++)
        sender_mail(&sender, &answers[i], "you@example.com", mail_text, sizeof mail_text - 1, 500);
    sender_run(&sender, 0);
    ck_assert_int_lt(clock_mono() - start, 900);
    for (int i = 0; i < 2; i++)
        answer_expect(&answers[i], SEND_IN_DOUBT, FAULT_TIMEOUT, 0);
    ck_assert_uint_eq(peer_connections(sender.peer), 2);
    sender_stop(&sender);
}
END_TEST

#define ADD(test, rows)                                                                                      \
    do {                                                                                                     \
        TCase *case_ = tcase_create(#test);                                                                  \
        tcase_set_timeout(case_, 10);                                                                        \
        tcase_add_loop_test(case_, test, 0, rows);                                                           \
        suite_add_tcase(suite, case_);                                                                       \
    } while (0)
#define ROWS(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("smtp_transport");
    ADD(test_delivery, ROWS(kinds));
    ADD(test_dribbled_replies, ROWS(kinds));
    ADD(test_auth_login, 1);
    ADD(test_reply, ROWS(reply_cases));
    ADD(test_reset, 1);
    ADD(test_cut_in_data, 2);
    ADD(test_bad_address, ROWS(bad_addresses));
    ADD(test_wrong_certificate, ROWS(connect_cases));
    ADD(test_loop_goes_on, 1);
    return suite_run(suite);
}
