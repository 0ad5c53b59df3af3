/*
 * Webhooks (Standard Webhooks, github.com/standard-webhooks/standard-webhooks, spec 1.0.0): the payload as
 * JSON to the URL that is the message's recipient, signed so that the receiver knows who sent it.
 *
 * Settings: allow, trusted_origins (origin.h), ca_file. Secrets: signing_key, and former_signing_key while
 * receivers change over: the request then bears both signatures.
 */
#ifndef PGOUTBOX_PROVIDERS_HTTP_WEBHOOK_H
#define PGOUTBOX_PROVIDERS_HTTP_WEBHOOK_H

#include "providers/adapter.h"

extern const struct adapter webhook_adapter;

#endif
