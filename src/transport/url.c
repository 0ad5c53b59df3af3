#include "transport/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"

/* Lower case; "" when the URL does not have it. False: it is longer than out. */
static bool copy_part(CURLU *handle, CURLUPart part, char *out, size_t size)
{
    char *text = NULL;
    out[0] = '\0';
    if (curl_url_get(handle, part, &text, 0) != CURLUE_OK)
        return true;
    int length = snprintf(out, size, "%s", text);
    curl_free(text);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return length >= 0 && (size_t)length < size;
}

static CURLUcode read_parts(struct url *url, const char *text)
{
    CURLU *handle = curl_url();
    if (handle == NULL)
        mem_exhausted();
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, text,
                                  CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (code == CURLUE_OUT_OF_MEMORY)
        mem_exhausted();
    if (code == CURLUE_OK && !(copy_part(handle, CURLUPART_SCHEME, url->scheme, sizeof url->scheme) &&
                               copy_part(handle, CURLUPART_HOST, url->host, sizeof url->host) &&
                               copy_part(handle, CURLUPART_PORT, url->port, sizeof url->port)))
        code = CURLUE_MALFORMED_INPUT;
    curl_url_cleanup(handle);
    return code;
}

bool url_parse(struct url *url, const char *text, struct error *err)
{
    char origin[URL_ORIGIN_MAX + 1];
    CURLUcode code = read_parts(url, text);
    if (code == CURLUE_USER_NOT_ALLOWED)
        return error_set(err, "must not hold a user name");
    if (code == CURLUE_BAD_PORT_NUMBER)
        return error_set(err, "must not have a port above 65535, or one that is no number");
    if (code != CURLUE_OK || url->host[0] == '\0')
        return error_set(err, "must have a host name that can be read");
    int size = snprintf(origin, sizeof origin, "%s://%s%s%s", url->scheme, url->host,
                        url->port[0] != '\0' ? ":" : "", url->port);
    url->rest = text + size;
    /* libcurl's reading, written out, is the text itself. */
    if (strncasecmp(text, origin, (size_t)size) != 0 ||
        (*url->rest != '\0' && strchr("/?#", *url->rest) == NULL))
        return error_set(err, "must have its host and port in their plain form");
    return true;
}
