#include "providers/aws.h"

#include <string.h>

#include "core/secret.h"
#include "formats/text.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { REGION_MAX = 32 };

bool aws_login_read(struct aws_login *login, struct json_object *json, const char *const *secrets,
                    struct error *err)
{
    /* The region is a part of a host name; the id and the token go into a header. */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    static const char rule[] = "must be a region such as eu-west-1";
    const char *key = secrets[0], *token = secrets[1];
    login->secret_access_key = mem_strdup(key);
    login->session_token = mem_strdup(token);
    if ((login->region = setting_word_of(json, "region", letters, REGION_MAX, rule, err)) == NULL ||
        (login->access_key_id = setting_word(json, "access_key_id", NULL, err)) == NULL)
        return false;
    if (strpbrk(login->access_key_id, "/,=") != NULL)
        return error_set(err, "settings.access_key_id: must be an access key id");
    if (key[0] == '\0')
        return error_set(err, "secret secret_access_key: must not be empty");
    return token == NULL || text_is_one_line(token, strlen(token)) ||
           error_set(err, "secret session_token: must not contain control characters");
}

void aws_login_free(struct aws_login *login)
{
    mem_free(login->region);
    mem_free(login->access_key_id);
    secret_free(login->secret_access_key);
    secret_free(login->session_token);
}

struct sigv4 aws_signer(const struct aws_login *login, const char *service, const char *url)
{
    return (struct sigv4){
        .url = url,
        .region = login->region,
        .service = service,
        .access_key_id = login->access_key_id,
        .secret_access_key = login->secret_access_key,
        .session_token = login->session_token,
    };
}

bool aws_sign(const struct sigv4 *signer, int64_t now_ms, struct arena *arena, struct request *request)
{
    struct sigv4_header headers[REQUEST_MAX_HEADERS], added[SIGV4_ADDED];
    for (size_t i = 0; i < request->header_count; i++)
        headers[i] = (struct sigv4_header){request->headers[i].name, request->headers[i].value};
    const struct sigv4_request signed_request = {
        .method = request->method,
        .path = request->path,
        .headers = headers,
        .header_count = request->header_count,
        .body = request->body,
        .body_size = request->body_size,
    };
    size_t count = sigv4_sign(signer, &signed_request, now_ms, arena, added);
    if (count == 0 || request->header_count + count > REQUEST_MAX_HEADERS)
        return false;
    for (size_t i = 0; i < count; i++)
        request_add_header(request, added[i].name, added[i].value);
    return true;
}
