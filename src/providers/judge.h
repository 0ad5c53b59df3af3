/* What the judges of several providers share. */
#ifndef PGOUTBOX_PROVIDERS_JUDGE_H
#define PGOUTBOX_PROVIDERS_JUDGE_H

#include "providers/adapter.h"

enum { JUDGE_TEXT = 120 };

/* The answer's body. NULL: it is not JSON, or was cut off. json_object_put. */
struct json_object *judge_json(const struct response *response);

/* Sets verdict->not_before_ms from the answer's Retry-After, else to fallback_ms from now; a fallback of 0
 * leaves the time to the channel's backoff. */
void judge_wait(struct verdict *verdict, const struct response *response, int64_t now_ms,
                int64_t fallback_ms);

/* The verdict that an HTTP status alone allows, for answers a provider's own table does not know. text: what
 * the answer says, for people; may be NULL. */
struct verdict judge_status(const struct response *response, const char *text, int64_t now_ms);

/* Copies a peer's text for people: white space runs become one space; words that may be an address or a token
 * (with '@', very long, or equal to the recipient or its local part) become "[hidden]". text may be NULL. */
void judge_text(char *out, size_t size, const char *text, const char *recipient);

#endif
