/*
 * Texts and phone numbers as Korean carriers count and write them: a text has as many octets as its EUC-KR
 * (KS X 1001) form, and a number has national digits only.
 */
#ifndef PGOUTBOX_FORMATS_KR_TEXT_H
#define PGOUTBOX_FORMATS_KR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"

/* Octets in EUC-KR. */
enum { KR_SMS_MAX = 90, KR_LMS_MAX = 2000, KR_SUBJECT_MAX = 40 };

struct kr_text {
    size_t octets;  /* in EUC-KR, one for each character that is not in it */
    size_t unknown; /* how many are not in it; control characters but tab, CR and LF count as such */
    uint32_t first; /* code point of the first unknown one */
};

/* False: this system's iconv has no EUC-KR. The functions below need it and end the process without it. */
bool kr_text_ready(struct error *err);

/* Measures UTF-8 text. fitting, which may be NULL, gets the text with '?' for each unknown character; its
 * maximum must be at least size. */
void kr_text_measure(const char *text, size_t size, struct buf *fitting, struct kr_text *measure);

/* How many octets of the UTF-8 text to keep for at most max octets in EUC-KR, ending before the first line
 * break and never inside a character. All characters must be known. */
size_t kr_text_head(const char *text, size_t size, size_t max);

/* The rules for advertising by message (Information and Communications Network Act, article 50): it starts
 * with "(광고)" and ends with a free opt-out, "무료수신거부 080…" or "무료거부 080…". */
bool kr_text_is_marked_ad(const char *text);
bool kr_text_has_opt_out(const char *text);

struct kr_number {
    char country[4];   /* calling code (ITU-T E.164), "82" */
    char national[16]; /* digits; Korean ones with their leading 0 */
};

/* Reads an E.164 number with its '+'. False when it is none. */
bool kr_number_read(const char *e164, struct kr_number *number);

/* Reads a sender: "+82…" or national digits, hyphens allowed. out gets national digits. */
bool kr_sender_read(const char *text, char out[16]);

#endif
