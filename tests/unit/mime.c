#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "formats/mime_encode.h"
#include "providers/mail/mime.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

START_TEST(test_words_vector)
{
    struct json_object *vectors = vectors_load("mime.json");
    const char *text = test_text(vectors, "utf8_b_subject/text");
    struct buf out;
    buf_init(&out, 1000);
    ck_assert(mime_words(&out, text, strlen(text)));
    ck_assert_str_eq(buf_string(&out), test_text(vectors, "utf8_b_subject/folded_value"));
    buf_free(&out);
    json_object_put(vectors);
}
END_TEST

/* Undoes encoded-words: their contents joined (RFC 2047, 6.2). */
static void decode_words(const char *value, struct buf *text)
{
    const char *word = value;
    while ((word = strstr(word, "=?UTF-8?B?")) != NULL) {
        const char *end = strstr(word, "?=");
        ck_assert_ptr_nonnull(end);
        ck_assert_uint_le((size_t)(end + 2 - word), 75);
        size_t start = text->size;
        ck_assert(base64_decode(text, word + 10, (size_t)(end - word - 10)));
        /* Each word is whole: it neither begins nor ends inside a character. */
        ck_assert_int_ne((unsigned char)text->data[start] & 0xC0, 0x80);
        word = end + 2;
    }
}

static void check_lines(const char *text, size_t limit)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\r\n");
        ck_assert_msg(size <= limit, "%zu: %.*s", size, (int)size, text);
        text += size;
        if (*text != '\0') {
            ck_assert_msg(text[0] == '\r' && text[1] == '\n', "bare CR or LF");
            text += 2;
        }
    }
}

START_TEST(test_words_any_column)
{
    static const char text[] = "a한😀éb한글 문자열을 길게 이어서 여러 줄이 되도록 합니다 😀😀😀😀😀😀😀😀😀😀😀😀";
    for (int column = 0; column < 90; column++) {
        struct buf out, back;
        buf_init(&out, 2000);
        buf_init(&back, 2000);
        for (int i = 0; i < column; i++)
            buf_char(&out, 'x');
        ck_assert(mime_words(&out, text, strlen(text)));
        check_lines(buf_string(&out), column > 76 ? 89 : 76);
        decode_words(buf_string(&out), &back);
        ck_assert_str_eq(buf_string(&back), text);
        buf_free(&out);
        buf_free(&back);
    }
}
END_TEST

START_TEST(test_quoted_printable)
{
    struct json_object *vectors = vectors_load("mime.json");
    struct json_object *rows = json_get(vectors, "quoted_printable");
    ck_assert_uint_ge(json_object_array_length(rows), 8);
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        const char *text = test_text(row, "text");
        struct buf out;
        buf_init(&out, 1000);
        ck_assert(mime_quoted_printable(&out, text, strlen(text)));
        ck_assert_str_eq(buf_string(&out), test_text(row, "quoted_printable"));
        buf_free(&out);
    }
    json_object_put(vectors);

    /* Every kind of line break becomes CRLF; blanks before one and at the end are kept by encoding. */
    static const char *const more[][2] = {
        {"a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd"},
        {"\n\n", "\r\n\r\n"},
        {"a \nb\t", "a=20\r\nb=09"},
        {"\x01\x7f", "=01=7F"},
        {" a", " a"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct buf out;
        buf_init(&out, 1000);
        ck_assert(mime_quoted_printable(&out, more[i][0], strlen(more[i][0])));
        ck_assert_str_eq(buf_string(&out), more[i][1]);
        buf_free(&out);
    }
}
END_TEST

START_TEST(test_base64)
{
    struct buf out, text, wanted, plain;
    buf_init(&out, 10000);
    buf_init(&text, 10000);
    buf_init(&wanted, 10000);
    buf_init(&plain, 10000);
    for (int i = 0; i < 60; i++) {
        buf_printf(&text, "한글 %d\n", i);
        buf_printf(&wanted, "한글 %d\r\n", i);
    }
    ck_assert(mime_base64(&out, text.data, text.size));
    check_lines(buf_string(&out), 76);
    for (char *c = out.data; *c != '\0'; c++) {
        if (*c == '\r' || *c == '\n')
            continue;
        buf_char(&plain, *c);
    }
    buf_reset(&text);
    ck_assert(base64_decode(&text, plain.data, plain.size));
    ck_assert_str_eq(buf_string(&text), buf_string(&wanted));
    buf_free(&out);
    buf_free(&text);
    buf_free(&wanted);
    buf_free(&plain);
    ck_assert(mime_prefers_base64("한글 본문", strlen("한글 본문")));
    ck_assert(!mime_prefers_base64("plain text with one é", strlen("plain text with one é")));
}
END_TEST

START_TEST(test_dates)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {TEST_NOW_MS, "Tue, 14 Nov 2023 22:13:20 +0000"},
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {INT64_C(1709209845999), "Thu, 29 Feb 2024 12:30:45 +0000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 100);
        ck_assert(mail_date(&out, rows[i].ms));
        ck_assert_str_eq(buf_string(&out), rows[i].text);
        buf_free(&out);
    }
}
END_TEST

static const struct mailbox plain_from = {"", "noreply@example.com"};

static struct mail mail_of(const char *subject, const char *text, const char *html)
{
    return (struct mail){.from = &plain_from,
                         .to = "kim@example.org",
                         .uuid = TEST_UUID,
                         .date_ms = TEST_NOW_MS,
                         .subject = subject,
                         .subject_size = strlen(subject),
                         .text = text,
                         .text_size = text != NULL ? strlen(text) : 0,
                         .html = html,
                         .html_size = html != NULL ? strlen(html) : 0};
}

static void check_mail(const struct mail *mail, const char *wanted)
{
    struct buf out;
    struct error err = {""};
    buf_init(&out, MAIL_MAX);
    ck_assert_msg(mail_build(&out, mail, &err), "%s", err.text);
    ck_assert_str_eq(buf_string(&out), wanted);
    buf_free(&out);
}

#define TOP                                                                                                  \
    "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"                                                              \
    "From: noreply@example.com\r\n"                                                                          \
    "To: kim@example.org\r\n"

START_TEST(test_whole_mails)
{
    struct mail mail = mail_of("Paid", "Hello\n", NULL);
    check_mail(&mail, TOP "Subject: Paid\r\n"
                          "Message-ID: <" TEST_UUID "@example.com>\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Content-Type: text/plain; charset=UTF-8\r\n"
                          "Content-Transfer-Encoding: quoted-printable\r\n"
                          "\r\n"
                          "Hello\r\n");
    mail = mail_of("Paid", "Hello", "<p class=\"a\">안녕하세요</p>");
    mail.automatic = true;
    check_mail(&mail, TOP "Subject: Paid\r\n"
                          "Message-ID: <" TEST_UUID "@example.com>\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Auto-Submitted: auto-generated\r\n"
                          "Content-Type: multipart/alternative; boundary=\"=_" TEST_UUID "\"\r\n"
                          "\r\n"
                          "--=_" TEST_UUID "\r\n"
                          "Content-Type: text/plain; charset=UTF-8\r\n"
                          "Content-Transfer-Encoding: quoted-printable\r\n"
                          "\r\n"
                          "Hello\r\n"
                          "\r\n--=_" TEST_UUID "\r\n"
                          "Content-Type: text/html; charset=UTF-8\r\n"
                          "Content-Transfer-Encoding: base64\r\n"
                          "\r\n"
                          "PHAgY2xhc3M9ImEiPuyViOuFle2VmOyEuOyalDwvcD4=\r\n"
                          "\r\n--=_" TEST_UUID "--\r\n");
}
END_TEST

/* A body that spells out the boundary adds no part. */
START_TEST(test_boundary_in_body)
{
    struct mail mail = mail_of("x", "a\r\n--=_" TEST_UUID "--\r\nb", "--=_" TEST_UUID "\r\n");
    struct buf out;
    buf_init(&out, MAIL_MAX);
    ck_assert(mail_build(&out, &mail, NULL));
    int found = 0;
    for (const char *at = out.data; (at = strstr(at, "\r\n--=_" TEST_UUID)) != NULL; at++)
        found++;
    ck_assert_int_eq(found, 3);
    buf_free(&out);
}
END_TEST

static const char *header_of(const struct mail *mail, const char *start, char *value, size_t size)
{
    struct buf out;
    struct error err = {""};
    buf_init(&out, MAIL_MAX);
    ck_assert_msg(mail_build(&out, mail, &err), "%s", err.text);
    check_lines(buf_string(&out), 998);
    const char *found = strstr(out.data, start);
    ck_assert_ptr_nonnull(found);
    size_t used = 0;
    for (const char *c = found; strncmp(c, "\r\n", 2) != 0 || c[2] == ' '; c++) {
        ck_assert_uint_lt(used + 1, size);
        value[used++] = *c;
    }
    value[used] = '\0';
    buf_free(&out);
    return value;
}

START_TEST(test_mailboxes)
{
    static const struct {
        struct mailbox from;
        const char *field;
    } rows[] = {
        {{"Kim Min", "a@b.com"}, "From: \"Kim Min\" <a@b.com>"},
        {{"Kim, \"M\\", "a@b.com"}, "From: \"Kim, \\\"M\\\\\" <a@b.com>"},
        {{"김민", "a@b.com"}, "From: =?UTF-8?B?6rmA66+8?= <a@b.com>"},
        {{"=?x?= trick", "a@b.com"}, "From: =?UTF-8?B?PT94Pz0gdHJpY2s=?= <a@b.com>"},
        {{"Kim", "a-rather-long-local-part-of-an-address@a-rather-long-domain-name.example.com"},
         "From: \"Kim\"\r\n <a-rather-long-local-part-of-an-address@a-rather-long-domain-name.example.com>"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mail mail = mail_of("x", "y", NULL);
        char value[500];
        mail.from = &rows[i].from;
        ck_assert_str_eq(header_of(&mail, "From:", value, sizeof value), rows[i].field);
    }
    struct mail mail = mail_of("x", "y", NULL);
    char value[500];
    mail.reply_to = &rows[0].from;
    ck_assert_str_eq(header_of(&mail, "Reply-To:", value, sizeof value), "Reply-To: \"Kim Min\" <a@b.com>");
}
END_TEST

START_TEST(test_subjects)
{
    struct json_object *vectors = vectors_load("mime.json");
    char long_ascii[300], value[2000];
    memset(long_ascii, 'x', sizeof long_ascii - 1);
    long_ascii[sizeof long_ascii - 1] = '\0';
    const char *const subjects[] = {"Paid", test_text(vectors, "utf8_b_subject/text"),
                                    "=?UTF-8?B?trick?=", long_ascii, "é"};
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        struct mail mail = mail_of(subjects[i], "y", NULL);
        header_of(&mail, "Subject:", value, sizeof value);
        check_lines(value, 76);
        struct buf back;
        buf_init(&back, 1000);
        decode_words(value, &back);
        ck_assert_str_eq(i == 0 ? value + strlen("Subject: ") : buf_string(&back), subjects[i]);
        buf_free(&back);
    }
    json_object_put(vectors);
}
END_TEST

static void check_refused(struct mail *mail, const char *reason)
{
    struct buf out;
    struct error err = {""};
    buf_init(&out, MAIL_MAX);
    ck_assert_msg(!mail_build(&out, mail, &err), "accepted: %s", reason);
    ck_assert_msg(strstr(err.text, reason) != NULL, "%s, not %s", err.text, reason);
    buf_free(&out);
}

START_TEST(test_refused_subjects)
{
    static const char *const bad[] = {"a\r\nBcc: x@y.com", "a\nb", "a\rb", "a\tb", "\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mail mail = mail_of(bad[i], "y", NULL);
        check_refused(&mail, "payload.subject: must not contain control characters");
    }
    struct mail mail = mail_of("a", "y", NULL);
    mail.subject = "a\0b";
    mail.subject_size = 3;
    check_refused(&mail, "payload.subject: must not contain control characters");
}
END_TEST

START_TEST(test_headers)
{
    static const struct {
        const char *headers, *error; /* NULL = accepted */
    } rows[] = {
        {"{\"X-Campaign\":\"spring\",\"List-Unsubscribe\":\"<https://h/u>, <mailto:u@h>\"}", NULL},
        {"{\"list-unsubscribe-post\":\"List-Unsubscribe=One-Click\",\"Feedback-ID\":\"a:b\"}", NULL},
        {"{\"X-Name\":\"김민\"}", NULL},
        {"{}", NULL},
        {"[]", "payload.headers: must be an object"},
        {"{\"From\":\"x\"}", "payload.headers.From: the name is reserved"},
        {"{\"bcc\":\"x\"}", "payload.headers.bcc: the name is reserved"},
        {"{\"Content-Type\":\"x\"}", "payload.headers.Content-Type: the name is reserved"},
        {"{\"Reply-To\":\"x\"}", "payload.headers.Reply-To: the name is reserved"},
        {"{\"X-\":\"x\"}", "payload.headers.X-: the name is reserved"},
        {"{\"X-A:B\":\"x\"}", "payload.headers: a name must be"},
        {"{\"X-A\\r\\nBcc\":\"x\"}", "payload.headers: a name must be"},
        {"{\"X A\":\"x\"}", "payload.headers: a name must be"},
        {"{\"\":\"x\"}", "payload.headers: a name must be"},
        {"{\"X-A\":5}", "payload.headers.X-A: must be a string"},
        {"{\"X-A\":null}", "payload.headers.X-A: must be a string"},
        {"{\"X-A\":\"x\\r\\nBcc: y@z\"}", "payload.headers.X-A: must not contain control characters"},
        {"{\"X-A\":\"x\\u0000y\"}", "payload.headers.X-A: must not contain control characters"},
        {"{\"List-Id\":\"김\"}", "payload.headers.List-Id: must be ASCII"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mail mail = mail_of("x", "y", NULL);
        mail.headers = test_json(rows[i].headers);
        char value[500];
        if (rows[i].error != NULL)
            check_refused(&mail, rows[i].error);
        else
            header_of(&mail, "MIME-Version:", value, sizeof value);
        json_object_put(mail.headers);
    }
    struct mail mail = mail_of("x", "y", NULL);
    mail.headers = test_json(rows[0].headers);
    char value[1200];
    ck_assert_str_eq(header_of(&mail, "List-Unsubscribe:", value, sizeof value),
                     "List-Unsubscribe: <https://h/u>, <mailto:u@h>");
    json_object_put(mail.headers);

    char longest[1200];
    for (int over = 0; over < 2; over++) {
        snprintf(longest, sizeof longest, "{\"X-A\":\"%0*d\"}", MAIL_LINE_MAX - 5 + over, 0);
        mail.headers = test_json(longest);
        if (over == 0)
            header_of(&mail, "X-A:", value, sizeof value);
        else
            check_refused(&mail, "payload.headers.X-A: is longer than 998 octets");
        json_object_put(mail.headers);
    }
}
END_TEST

START_TEST(test_unsubscribe)
{
    static const struct {
        const char *url, *mailto, *fields;
    } rows[] = {
        {"https://h.example/u?t=1,2", NULL,
         "List-Unsubscribe: <https://h.example/u?t=1,2>\r\nList-Unsubscribe-Post: "
         "List-Unsubscribe=One-Click\r\n"},
        {NULL, "u@h.example?subject=1", "List-Unsubscribe: <mailto:u@h.example?subject=1>\r\nContent-Type:"},
        {"https://h.example/u", "u@h.example",
         "List-Unsubscribe: <https://h.example/u>,\r\n <mailto:u@h.example>\r\nList-Unsubscribe-Post: "
         "List-Unsubscribe=One-Click\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mail mail = mail_of("x", "y", NULL);
        mail.unsubscribe_url = rows[i].url;
        mail.unsubscribe_mailto = rows[i].mailto;
        struct buf out;
        buf_init(&out, 2000);
        ck_assert(mail_build(&out, &mail, NULL));
        ck_assert_msg(strstr(out.data, rows[i].fields) != NULL, "%s", out.data);
        buf_free(&out);
    }
    static const struct {
        const char *url, *mailto, *error;
    } bad[] = {
        {"http://h/u", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https://", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https:///u", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https://h/ u", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https://h/\r\nBcc: x@y", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https://h/>,<http://x", NULL, "payload.unsubscribe_url: must be an https URL"},
        {"https://h/김", NULL, "payload.unsubscribe_url: must be an https URL"},
        {NULL, "h.example", "payload.unsubscribe_mailto: is not a mail address"},
        {NULL, "mailto:u@h", "payload.unsubscribe_mailto: has a character before the '@'"},
        {NULL, "u@h?subject=a b", "payload.unsubscribe_mailto: must be an address"},
        {NULL, "u@h>\r\nX: y", "payload.unsubscribe_mailto: must be an address"},
        {NULL, "?a@b", "payload.unsubscribe_mailto: is not a mail address"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mail mail = mail_of("x", "y", NULL);
        mail.unsubscribe_url = bad[i].url;
        mail.unsubscribe_mailto = bad[i].mailto;
        check_refused(&mail, bad[i].error);
    }
    char longest[MAIL_UNSUBSCRIBE_MAX + 2];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "https://", 8);
    longest[MAIL_UNSUBSCRIBE_MAX + 1] = '\0';
    struct mail mail = mail_of("x", "y", NULL);
    mail.unsubscribe_url = longest;
    check_refused(&mail, "payload.unsubscribe_url: is longer than 900 octets");
    longest[MAIL_UNSUBSCRIBE_MAX] = '\0';
    char value[1200];
    header_of(&mail, "List-Unsubscribe:", value, sizeof value);

    mail.headers = test_json("{\"list-unsubscribe\":\"<https://h>\"}");
    check_refused(&mail, "payload.headers.list-unsubscribe: is made from unsubscribe_url");
    json_object_put(mail.headers);
}
END_TEST

START_TEST(test_attachments)
{
    static const char octets[] = "\0\r\n\xff";
    const struct mail_attachment files[] = {{"bill.pdf", "application/pdf", octets, 4},
                                            {"청구서 1.pdf", "text/plain", "", 0}};
    struct mail mail = mail_of("Paid", "Hello", "<p>Hello</p>");
    mail.attachments = files;
    mail.attachment_count = 2;
    check_mail(&mail, TOP "Subject: Paid\r\n"
                          "Message-ID: <" TEST_UUID "@example.com>\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Content-Type: multipart/mixed; boundary=\"=_m_" TEST_UUID "\"\r\n"
                          "\r\n"
                          "--=_m_" TEST_UUID "\r\n"
                          "Content-Type: multipart/alternative; boundary=\"=_" TEST_UUID "\"\r\n"
                          "\r\n"
                          "--=_" TEST_UUID "\r\n"
                          "Content-Type: text/plain; charset=UTF-8\r\n"
                          "Content-Transfer-Encoding: quoted-printable\r\n"
                          "\r\n"
                          "Hello\r\n"
                          "\r\n--=_" TEST_UUID "\r\n"
                          "Content-Type: text/html; charset=UTF-8\r\n"
                          "Content-Transfer-Encoding: quoted-printable\r\n"
                          "\r\n"
                          "<p>Hello</p>\r\n"
                          "\r\n--=_" TEST_UUID "--\r\n"
                          "\r\n--=_m_" TEST_UUID "\r\n"
                          "Content-Type: application/pdf\r\n"
                          "Content-Transfer-Encoding: base64\r\n"
                          "Content-Disposition: attachment;\r\n"
                          " filename=\"bill.pdf\"\r\n"
                          "\r\n"
                          "AA0K/w==\r\n"
                          "\r\n--=_m_" TEST_UUID "\r\n"
                          "Content-Type: text/plain\r\n"
                          "Content-Transfer-Encoding: base64\r\n"
                          "Content-Disposition: attachment;\r\n"
                          " filename*=UTF-8''%EC%B2%AD%EA%B5%AC%EC%84%9C%201.pdf\r\n"
                          "\r\n"
                          "\r\n--=_m_" TEST_UUID "--\r\n");
}
END_TEST

/* Long names go in numbered pieces (RFC 2231, 3), lines of 76, and no escape is cut in two. */
START_TEST(test_long_file_name)
{
    static const char name[] = "가나다라마바사아자차카타파하가나다라마바사아자차카타파하.pdf";
    char data[200];
    memset(data, 'x', sizeof data);
    struct mail_attachment file = {name, "application/pdf", data, sizeof data};
    struct buf out, back;
    buf_init(&out, 4000);
    buf_init(&back, 4000);
    ck_assert(mail_attachment_write(&out, &file));
    check_lines(out.data, 76);
    const char *at = strstr(out.data, " filename*0*=UTF-8''");
    ck_assert_ptr_nonnull(at);
    for (int piece = 0; piece < 20; piece++) {
        char start[32];
        snprintf(start, sizeof start, " filename*%d*=", piece);
        if ((at = strstr(out.data, start)) == NULL)
            break;
        at += strlen(start) + (piece == 0 ? strlen("UTF-8''") : 0);
        for (; *at != ';' && *at != '\r'; at++) {
            unsigned octet = (unsigned char)*at;
            if (*at == '%') {
                ck_assert_int_eq(sscanf(at + 1, "%2X", &octet), 1);
                at += 2;
            }
            buf_char(&back, (char)octet);
        }
    }
    ck_assert_str_eq(buf_string(&back), name);
    buf_free(&out);
    buf_free(&back);
}
END_TEST

START_TEST(test_attachments_read)
{
    static const struct {
        const char *items, *error;
        bool read; /* the first file was */
    } rows[] = {
        {"{}", "payload.attachments: must be a list", false},
        {"[1]", "payload.attachments.0: must be an object", false},
        {"[{}]", "payload.attachments.0.name: must be a file name of at most 200 octets", false},
        {"[{\"name\":1}]", "payload.attachments.0.name: must be a string", false},
        {"[{\"name\":\"\"}]", "payload.attachments.0.name: must be a file name", false},
        {"[{\"name\":\"../a\"}]", "payload.attachments.0.name: must be a file name", false},
        {"[{\"name\":\"a\\\\b\"}]", "payload.attachments.0.name: must be a file name", false},
        {"[{\"name\":\"a\\r\\nX: y\"}]", "payload.attachments.0.name: must be a file name", false},
        {"[{\"name\":\"a\\u0000b\"}]", "payload.attachments.0.name: must be a file name", false},
        {"[{\"name\":\"a\",\"type\":\"pdf\"}]", "payload.attachments.0.type: must be a media type", false},
        {"[{\"name\":\"a\",\"type\":\"/pdf\"}]", "payload.attachments.0.type: must be a media type", false},
        {"[{\"name\":\"a\",\"type\":\"a/b/c\"}]", "payload.attachments.0.type: must be a media type", false},
        {"[{\"name\":\"a\",\"type\":\"a/\"}]", "payload.attachments.0.type: must be a media type", false},
        {"[{\"name\":\"a\",\"type\":\"a/b\\r\\nX: y\"}]", "payload.attachments.0.type: must be a media type",
         false},
        {"[{\"name\":\"a\",\"type\":\"a/b\\u0000\"}]", "payload.attachments.0.type: must be a media type",
         false},
        {"[{\"name\":\"a\",\"type\":\"Multipart/mixed\"}]",
         "payload.attachments.0.type: must be a media type", false},
        {"[{\"name\":\"a\",\"type\":\"message/rfc822\"}]", "payload.attachments.0.type: must be a media type",
         false},
        {"[{\"name\":\"a\"}]", "payload.attachments.0.file: is required", false},
        {"[{\"name\":\"a\",\"data\":\"x\"}]", "payload.attachments.0.file: is required", false},
        {"[{\"name\":\"a\",\"file\":\"f\"}]", "payload.attachments.0.file: was not read", false},
        {"[{\"name\":\"a\",\"file\":\"f\",\"data\":\"forged\"}]", "payload.attachments.0.file: was not read",
         false},
        {"[{\"name\":\"a\",\"file\":\"f\",\"data\":\"x\"},{}]", "payload.attachments.1.name: must be", true},
    };
    struct mail_attachment list[MAIL_ATTACHMENTS_MAX];
    size_t count = 1;
    struct json_object *payload = test_json("{}");
    ck_assert(mail_attachments_read(payload, NULL, list, &count, NULL));
    ck_assert_uint_eq(count, 0);
    json_object_put(payload);
    const struct files first = {.list = {{.data = "x", .size = 1}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        struct error err = {""};
        snprintf(text, sizeof text, "{\"attachments\":%s}", rows[i].items);
        payload = test_json(text);
        ck_assert_msg(!mail_attachments_read(payload, rows[i].read ? &first : NULL, list, &count, &err),
                      "accepted: %s", text);
        ck_assert_msg(strstr(err.text, rows[i].error) == err.text, "%s: %s", text, err.text);
        json_object_put(payload);
    }
    /* What was read may hold any octets; the limit is of all files together. */
    for (int over = 0; over < 2; over++) {
        payload = test_json("{\"attachments\":[{\"name\":\"a\",\"file\":\"f\"},"
                            "{\"name\":\"b\",\"type\":\"text/csv\",\"file\":\"g\"}]}");
        char *data = mem_alloc(MAIL_ATTACHED_MAX);
        const struct files files = {.list = {{.data = data, .size = 3},
                                             {.data = data, .size = MAIL_ATTACHED_MAX - 3 + (size_t)over}}};
        struct error err = {""};
        ck_assert(mail_attachments_read(payload, &files, list, &count, &err) == (over == 0));
        ck_assert_str_eq(err.text, over == 0 ? "" : "payload.attachments: has more than 10485760 octets");
        for (size_t i = 0; i < 2; i++) {
            ck_assert_uint_eq(list[i].size, files.list[i].size);
            ck_assert_ptr_eq(list[i].data, data);
        }
        ck_assert_str_eq(list[0].type, "application/octet-stream");
        ck_assert_str_eq(list[1].type, "text/csv");
        mem_free(data);
        json_object_put(payload);
    }
}
END_TEST

/* What the adapter asks for. */
START_TEST(test_attachments_files)
{
    static const struct {
        const char *payload, *names;
    } rows[] = {
        {"{}", ""},
        {"[]", ""},
        {"7", ""},
        {"{\"attachments\":[]}", ""},
        {"{\"attachments\":{\"0\":{\"file\":\"a\"}}}", ""},
        {"{\"attachments\":\"a\"}", ""},
        {"{\"attachments\":null}", ""},
        {"{\"attachments\":[{\"file\":\"a\"},{\"file\":\"../b c\",\"data\":\"x\"}]}", "<a><../b c>"},
        {"{\"attachments\":[{\"name\":\"x\"},{\"file\":7},{\"file\":\"a\\u0000b\"},\"text\",null,[],"
         "{\"file\":\"\"}]}",
         "------<>"},
        {"{\"attachments\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,{\"file\":\"a\"}]}",
         "-------------------<a>"},
        {"{\"attachments\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,{\"file\":\"a\"}]}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int with_directory = 0; with_directory < 2; with_directory++) {
            struct file_list list = {0};
            struct json_object *payload = test_json(rows[i].payload);
            char names[100] = "";
            mail_attachments_files(payload, with_directory ? "/srv/files" : NULL, &list);
            for (size_t k = 0; k < list.count; k++) {
                size_t used = strlen(names);
                if (list.names[k] != NULL)
                    snprintf(names + used, sizeof names - used, "<%s>", list.names[k]);
                else
                    snprintf(names + used, sizeof names - used, "-");
            }
            ck_assert_str_eq(names, with_directory ? rows[i].names : "");
            if (list.count > 0) {
                ck_assert_str_eq(list.directory, "/srv/files");
                ck_assert_uint_eq(list.octets_max, MAIL_ATTACHED_MAX);
            }
            json_object_put(payload);
        }
    }
}
END_TEST

START_TEST(test_size_limit)
{
    struct mail mail = mail_of("x", "0123456789", NULL);
    struct buf out;
    struct error err;
    buf_init(&out, MAIL_MAX);
    ck_assert(mail_build(&out, &mail, NULL));
    size_t size = out.size;
    buf_free(&out);
    for (size_t max = size; max + 1 >= size; max--) {
        buf_init(&out, max);
        ck_assert(mail_build(&out, &mail, &err) == (max == size));
        buf_free(&out);
    }
    ck_assert_ptr_eq(strstr(err.text, "payload: the mail is larger than"), err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mime");
    suite_add(suite, test_words_vector);
    suite_add(suite, test_words_any_column);
    suite_add(suite, test_quoted_printable);
    suite_add(suite, test_base64);
    suite_add(suite, test_dates);
    suite_add(suite, test_whole_mails);
    suite_add(suite, test_boundary_in_body);
    suite_add(suite, test_mailboxes);
    suite_add(suite, test_subjects);
    suite_add(suite, test_refused_subjects);
    suite_add(suite, test_headers);
    suite_add(suite, test_unsubscribe);
    suite_add(suite, test_attachments);
    suite_add(suite, test_long_file_name);
    suite_add(suite, test_attachments_read);
    suite_add(suite, test_attachments_files);
    suite_add(suite, test_size_limit);
    return suite_run(suite);
}
