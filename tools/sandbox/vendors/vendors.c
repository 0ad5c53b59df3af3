#include "sandbox/vendors/vendors.h"

#include <string.h>

/* The first route that fits is taken. */
static const struct vendor_route *const tables[] = {
    web_routes,  webhook_routes, twilio_routes, vonage_routes,   sns_routes,     solapi_routes,
    sens_routes, nhn_routes,     ses_routes,    sendgrid_routes, mailgun_routes,
};

/* Whether the path, up to its query, has the pattern's form. */
static bool path_fits(const char *pattern, const char *path)
{
    while (*pattern) {
        if (*pattern == '*') {
            size_t size = strcspn(path, "/?");
            if (size == 0)
                return false;
            path += size;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0' || *path == '?';
}

static void answer_unknown(struct exchange *x, bool path_known)
{
    buf_text(&x->answer, path_known ? "{\"message\":\"method not allowed\"}" : "{\"message\":\"not found\"}");
    http_answer(x, path_known ? 405 : 404, "application/json", 0);
}

static void on_request(void *arg, struct exchange *x)
{
    bool path_known = false;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        for (const struct vendor_route *route = tables[i]; route->method; route++) {
            if (!path_fits(route->path, x->path))
                continue;
            path_known = true;
            if (strcmp(route->method, x->method) == 0) {
                route->request(arg, x);
                return;
            }
        }
    }
    answer_unknown(x, path_known);
}

const struct http_service vendors_service = {.max_body = VENDOR_BODY_MAX, .request = on_request};
