#include "support/suite.h"

#include <string.h>

#include "formats/address.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define A63 A60 "aaa"
#define A64 A60 "aaaa"
/* 252 octets: with "a@" exactly the longest address */
#define LONG_DOMAIN A63 "." A63 "." A63 "." A60

static const struct {
    const char *text;
    const char *error; /* part of the message; NULL = a good address */
} addresses[] = {
    {"kim@example.com", NULL},
    {"a@b", NULL},
    {"a.b+c_d-e@sub.example-1.com", NULL},
    {"!#$%&'*/=?^`{|}~@example.com", NULL},
    {"fa17055000-x@example.com", NULL},
    {"kim@xn--3e0b707e.kr", NULL},
    {A64 "@example.com", NULL},
    {"kim@" A63 ".com", NULL},
    {"", "is not a mail address"},
    {"kim", "is not a mail address"},
    {"@example.com", "nothing before the '@'"},
    {A64 "a@example.com", "more than 64 octets"},
    {"a@" LONG_DOMAIN, NULL},
    {"ab@" LONG_DOMAIN, "longer than 254 octets"},
    {"kim@" A63 "a.com", "is not an address at a domain name"},
    {"kim@", "is not an address at a domain name"},
    {"kim@.com", "is not an address at a domain name"},
    {"kim@example..com", "is not an address at a domain name"},
    {"kim@example.com.", "is not an address at a domain name"},
    {"kim@-example.com", "is not an address at a domain name"},
    {"kim@example-.com", "is not an address at a domain name"},
    {"kim@exam_ple.com", "the domain has a character that is not allowed"},
    {"kim@[127.0.0.1]", "the domain has a character that is not allowed"},
    {"kim@exam ple.com", "the domain has a character that is not allowed"},
    {"kim@example.com>", "the domain has a character that is not allowed"},
    {"kim@한국.kr", "the domain must be written in punycode"},
    {"김@example.com", "SMTPUTF8 is not supported"},
    {".kim@example.com", "a dot before the '@'"},
    {"kim.@example.com", "a dot before the '@'"},
    {"k..im@example.com", "a dot before the '@'"},
    {"k im@example.com", "a character before the '@'"},
    {"<kim@example.com", "a character before the '@'"},
    {"\"kim\"@example.com", "a character before the '@'"},
    {"kim@lee@example.com", "a character before the '@'"},
    {"kim,lee@example.com", "a character before the '@'"},
    {"kim@example.com\r\nRCPT TO:<x@y>", "control characters"},
    {"kim\n@example.com", "control characters"},
    {"kim\t@example.com", "control characters"},
    {"kim\x7f@example.com", "control characters"},
};

START_TEST(test_addresses)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct error err = {""};
        const char *text = addresses[i].text;
        bool good = address_check(text, strlen(text), "recipient", &err);
        ck_assert_msg(good == (addresses[i].error == NULL), "%s: %s", text, err.text);
        if (!good) {
            ck_assert_msg(strncmp(err.text, "recipient: ", 11) == 0, "%s: %s", text, err.text);
            ck_assert_msg(strstr(err.text, addresses[i].error) != NULL, "%s: %s", text, err.text);
        }
    }
    ck_assert(!address_check("kim\0@example.com", 16, "recipient", NULL));
    ck_assert_str_eq(address_domain("kim@example.com"), "example.com");
}
END_TEST

static const struct {
    const char *text, *name, *address, *error;
} mailboxes[] = {
    {"kim@example.com", "", "kim@example.com", NULL},
    {"<kim@example.com>", "", "kim@example.com", NULL},
    {"Kim Min <kim@example.com>", "Kim Min", "kim@example.com", NULL},
    {"  Kim Min  <kim@example.com>", "Kim Min", "kim@example.com", NULL},
    {"\"Kim, Min\" <kim@example.com>", "Kim, Min", "kim@example.com", NULL},
    {"\"a \\\"b\\\" \\\\c\" <kim@example.com>", "a \"b\" \\c", "kim@example.com", NULL},
    {"김민 <kim@example.com>", "김민", "kim@example.com", NULL},
    {"\"a < b\" <kim@example.com>", "a < b", "kim@example.com", NULL},
    {"Kim <kim@example.com> x", NULL, NULL, "from: must be"},
    {"Kim <", NULL, NULL, "from: must be"},
    {"Kim <>", NULL, NULL, "from: is not a mail address"},
    {"Kim kim@example.com", NULL, NULL, "from: has a character before the '@'"},
    {"Kim\r\nBcc: x@y <kim@example.com>", NULL, NULL, "from: must not contain control characters"},
    {"Kim <kim@example.com>\n", NULL, NULL, "from: must not contain control characters"},
    {"a \"b <kim@example.com>", NULL, NULL, "from: has a quote inside the name"},
    {"\"a\" b\" <kim@example.com>", NULL, NULL, "from: has a quote inside the name"},
    {A64 A64 A64 A64 " <kim@example.com>", NULL, NULL, "from: the name is longer"},
    {"", NULL, NULL, "from: is not a mail address"},
};

START_TEST(test_domains)
{
    static const char *const good[] = {"example.com", "localhost", "xn--bcher-kva.example", "a.b-c.9"};
    static const char *const bad[] = {
        "", ".", "a..b", "a.", "-a.b", "a-.b", "a_b.c", "a@b", "a b", "b\xc3\xbc.example", "a\n"};
    struct error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(address_check_domain(good[i], "settings.domain", &err), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!address_check_domain(bad[i], "settings.domain", &err), "%s", bad[i]);
        ck_assert(strncmp(err.text, "settings.domain: ", 17) == 0);
    }
    char longest[ADDRESS_DOMAIN_MAX + 2];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 63; i < sizeof longest; i += 64)
        longest[i] = '.';
    longest[ADDRESS_DOMAIN_MAX] = '\0';
    ck_assert(address_check_domain(longest, "x", &err));
    longest[ADDRESS_DOMAIN_MAX] = 'a';
    longest[ADDRESS_DOMAIN_MAX + 1] = '\0';
    ck_assert(!address_check_domain(longest, "x", &err));
}
END_TEST

START_TEST(test_mailboxes)
{
    for (size_t i = 0; i < sizeof mailboxes / sizeof *mailboxes; i++) {
        struct error err = {""};
        struct mailbox mailbox;
        const char *text = mailboxes[i].text;
        bool good = mailbox_parse(text, strlen(text), "from", &mailbox, &err);
        ck_assert_msg(good == (mailboxes[i].error == NULL), "%s: %s", text, err.text);
        if (good) {
            ck_assert_str_eq(mailbox.name, mailboxes[i].name);
            ck_assert_str_eq(mailbox.address, mailboxes[i].address);
        } else {
            ck_assert_msg(strstr(err.text, mailboxes[i].error) == err.text, "%s: %s", text, err.text);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    suite_add(suite, test_addresses);
    suite_add(suite, test_domains);
    suite_add(suite, test_mailboxes);
    return suite_run(suite);
}
