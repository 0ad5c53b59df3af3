/* Verifies a mail's DKIM signatures (RFC 6376 with rsa-sha256, RFC 8301, and ed25519-sha256, RFC 8463) with
 * libopendkim: what signs here has no part in it. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_DKIM_CHECK_H
#define PGOUTBOX_SANDBOX_VENDORS_DKIM_CHECK_H

#include <stddef.h>

#include "sandbox/store/directory.h"

/* "none": the mail has no DKIM-Signature; "pass": each one is good, also the second of two; "fail". The
 * directory stands in for the DNS: the file SELECTOR._domainkey.DOMAIN.txt holds that name's TXT record.
 * mail: checked by mail_inspect. */
const char *dkim_check(const struct directory *directory, const char *mail, size_t size);

#endif
