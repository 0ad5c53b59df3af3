#include "sandbox/wire/http_server.h"

#include <string.h>

#include "sandbox/wire/h2.h"
#include "sandbox/wire/http1.h"

static bool choose_version(void *user, struct wire *wire)
{
    struct http_server *server = user;
    if (strcmp(wire_protocol(wire), "h2") == 0)
        return h2_open(server, wire);
    return server->http1 && http1_open(server, wire);
}

static bool no_input(void *user, const char *data, size_t size)
{
    (void)user, (void)data, (void)size;
    return false;
}

static void no_output(void *user, struct buf *out)
{
    (void)user, (void)out;
}

static void no_owner(void *user)
{
    (void)user;
}

void http_server_accepted(void *server, struct wire *wire)
{
    static const struct wire_user undecided = {choose_version, no_input, no_output, no_owner};
    wire_use(wire, &undecided, server);
}
