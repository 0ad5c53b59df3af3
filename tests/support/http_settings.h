/* Settings of the http adapter that must be refused, and how: by settings_new and by the database alike. */
#ifndef PGOUTBOX_TESTS_HTTP_SETTINGS_H
#define PGOUTBOX_TESTS_HTTP_SETTINGS_H

#define HTTP_URL          "\"url\":\"https://api.vendor.example\""
#define HTTP_BAD_AUTH(x)  "{" HTTP_URL ",\"secret_env\":\"KEY\",\"auth\":" x "}"
#define HTTP_BAD_RULES(x) "{" HTTP_URL ",\"response\":{\"rules\":[" x "]}}"
#define HTTP_BAD_SENT(x)  "{" HTTP_URL ",\"response\":{\"sent\":{" x "}}}"
#define HTTP_BAD_BODY(x)  "{" HTTP_URL "," x "}"
#define HTTP_GOOD_RULE    "{\"status\":[400],\"verdict\":\"rejected\"}"

static const struct bad_http_settings {
    const char *json, *error;
} bad_http_settings[] = {
    {"{}", "settings.url: is required"},
    {"{\"url\":5}", "settings.url: must be a string"},
    {"{\"url\":null}", "settings.url: must be a string"},
    {"{\"url\":\"http://a.example\"}", "settings.url: must be https://host or https://host:port"},
    {"{\"url\":\"https://a.example/path\"}", "settings.url: must be https://host or https://host:port"},
    {"{\"url\":\"https://u@a.example\"}", "settings.url: must be https://host or https://host:port"},
    {HTTP_BAD_BODY("\"reponse\":{}"), "settings.reponse: unknown setting"},
    {HTTP_BAD_BODY("\"ca_file\":[]"), "settings.ca_file: must be a string"},
    {HTTP_BAD_BODY("\"method\":\"DELETE\""), "settings.method: must be POST, PUT, PATCH or GET"},
    {HTTP_BAD_BODY("\"method\":\"post\""), "settings.method: must be POST, PUT, PATCH or GET"},
    /* path */
    {HTTP_BAD_BODY("\"path\":\"send\""), "settings.path: must begin with /"},
    {HTTP_BAD_BODY("\"path\":\"{{uuid}}\""), "settings.path: must begin with /"},
    {HTTP_BAD_BODY("\"path\":\"/a b\""), "settings.path: must be ASCII without spaces and #"},
    {HTTP_BAD_BODY("\"path\":\"/a#b\""), "settings.path: must be ASCII without spaces and #"},
    {HTTP_BAD_BODY("\"path\":\"/한\""), "settings.path: must be ASCII without spaces and #"},
    {HTTP_BAD_BODY("\"path\":\"/{{#payload.a}}\\n{{/payload.a}}\""),
     "settings.path: must be ASCII without spaces and #"},
    {HTTP_BAD_BODY("\"path\":\"/{{recipent}}\""), "settings.path: value \"recipent\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{body}}\""), "settings.path: value \"body\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{secret}}\""), "settings.path: value \"secret\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{.}}\""), "settings.path: value \".\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{>x}}\""), "settings.path: partial \"x\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{#payload.a}}{{>x}}{{/payload.a}}\""),
     "settings.path: partial \"x\" does not exist"},
    {HTTP_BAD_BODY("\"path\":\"/{{uuid\""), "settings.path: line 1: tag \"{{uuid\" is not closed"},
    /* headers */
    {HTTP_BAD_BODY("\"headers\":[]"), "settings.headers: must be an object"},
    {HTTP_BAD_BODY("\"headers\":{\"x-a\":5}"), "settings.headers.x-a: must be a string"},
    {HTTP_BAD_BODY("\"headers\":{\"x a\":\"\"}"),
     "settings.headers.x a: must have the form of a header's name"},
    {HTTP_BAD_BODY("\"headers\":{\"\":\"\"}"), "settings.headers.: must have the form of a header's name"},
    {HTTP_BAD_BODY("\"headers\":{\"x:x\":\"\"}"),
     "settings.headers.x:x: must have the form of a header's name"},
    {HTTP_BAD_BODY("\"headers\":{\"Content-Length\":\"5\"}"),
     "settings.headers.Content-Length: is not for settings to set"},
    {HTTP_BAD_BODY("\"headers\":{\"host\":\"a\"}"), "settings.headers.host: is not for settings to set"},
    {HTTP_BAD_BODY("\"headers\":{\"content-type\":\"a\"}"),
     "settings.headers.content-type: is not for settings to set"},
    {HTTP_BAD_BODY("\"headers\":{\"x-a\":\"1\\r\\nx-b: 2\"}"),
     "settings.headers.x-a: must be printable ASCII"},
    {HTTP_BAD_BODY("\"headers\":{\"x-a\":\"{{nobody}}\"}"),
     "settings.headers.x-a: value \"nobody\" does not exist"},
    {HTTP_BAD_BODY(
         "\"headers\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\",\"f\":\"\",\"g\":\"\","
         "\"h\":\"\",\"i\":\"\",\"j\":\"\",\"k\":\"\",\"l\":\"\",\"m\":\"\"}"),
     "settings.headers: must not be more than 12"},
    /* body */
    {HTTP_BAD_BODY("\"body\":5"), "settings.body: must be a string, an object or a list"},
    {HTTP_BAD_BODY("\"body\":\"a=1\""), "settings.content_type: is required for a body that is a string"},
    {HTTP_BAD_BODY("\"content_type\":\"text/plain\""), "settings.content_type: goes with a body"},
    {HTTP_BAD_BODY("\"method\":\"GET\",\"body\":{}"), "settings.body: does not go with the method GET"},
    {HTTP_BAD_BODY("\"body\":\"a\",\"content_type\":\"multipart/form-data; boundary=x\""),
     "settings.content_type: must be one of JSON, form, XML and plain text, in UTF-8"},
    {HTTP_BAD_BODY("\"body\":\"a\",\"content_type\":\"text/plain; charset=euc-kr\""),
     "settings.content_type: must be one of JSON, form, XML and plain text, in UTF-8"},
    {HTTP_BAD_BODY("\"body\":\"a\",\"content_type\":\"text/plain\\r\\nx: y\""),
     "settings.content_type: must be one of JSON, form, XML and plain text, in UTF-8"},
    {HTTP_BAD_BODY("\"body\":{},\"content_type\":\"text/xml\""),
     "settings.content_type: must be JSON for a body that is not a string"},
    {HTTP_BAD_BODY("\"body\":{\"a\":[1,\"\",{\"c\":\"\\n{{}}\"}]}"),
     "settings.body.a[2].c: line 2: tag \"{{}}\" has no name"},
    {HTTP_BAD_BODY("\"body\":[{\"to\":\"{{to}}\"}]"), "settings.body[0].to: value \"to\" does not exist"},
    {HTTP_BAD_BODY("\"body\":\"{{^payload.a}}\",\"content_type\":\"text/plain\""),
     "settings.body: line 1: section \"payload.a\" is not closed"},
    {HTTP_BAD_BODY("\"body\":\"{{#x}}{{/x}}\",\"content_type\":\"text/plain\""),
     "settings.body: value \"x\" does not exist"},
    /* auth */
    {HTTP_BAD_AUTH("\"basic\""), "settings.auth: must be an object"},
    {HTTP_BAD_AUTH("{}"), "settings.auth.type: must be none, basic, bearer or hmac"},
    {HTTP_BAD_AUTH("{\"type\":5}"), "settings.auth.type: must be none, basic, bearer or hmac"},
    {HTTP_BAD_AUTH("{\"type\":\"digest\"}"), "settings.auth.type: must be none, basic, bearer or hmac"},
    {HTTP_BAD_AUTH("{\"type\":\"none\",\"username\":\"a\"}"), "settings.auth.username: unknown setting"},
    {HTTP_BAD_AUTH("{\"type\":\"basic\"}"), "settings.auth.username: is required"},
    {HTTP_BAD_AUTH("{\"type\":\"basic\",\"username\":\"a\",\"password\":\"b\"}"),
     "settings.auth.password: unknown setting"},
    {HTTP_BAD_AUTH("{\"type\":\"basic\",\"username\":\"a:b\"}"),
     "settings.auth.username: must not hold a colon"},
    {"{" HTTP_URL ",\"auth\":{\"type\":\"basic\",\"username\":\"a\"}}",
     "settings.auth: needs secret_file or secret_env"},
    {"{" HTTP_URL ",\"auth\":{\"type\":\"bearer\"}}", "settings.auth: needs secret_file or secret_env"},
    {HTTP_BAD_AUTH("{\"type\":\"basic\",\"username\":\"a\"},\"headers\":{\"Authorization\":\"x\"}"),
     "settings.headers.authorization: is set twice"},
    {HTTP_BAD_AUTH("{\"type\":\"bearer\",\"header\":\"X-Key\"},\"headers\":{\"x-key\":\"x\"}"),
     "settings.auth.header: is set twice"},
    {HTTP_BAD_AUTH("{\"type\":\"bearer\",\"header\":\"host\"}"),
     "settings.auth.header: is not for settings to set"},
    {HTTP_BAD_AUTH("{\"type\":\"bearer\",\"prefix\":\"a\\n\"}"),
     "settings.auth.prefix: must be printable ASCII"},
    {HTTP_BAD_AUTH("{\"type\":\"bearer\",\"sign\":\"a\"}"), "settings.auth.sign: unknown setting"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\"}"), "settings.auth.sign: is required"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"sign\":\"a\"}"), "settings.auth.header: is required"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"a b\",\"sign\":\"a\"}"),
     "settings.auth.header: must have the form of a header's name"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"a\",\"algorithm\":\"md5\"}"),
     "settings.auth.algorithm: must be sha256 or sha1"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"a\",\"encoding\":\"HEX\"}"),
     "settings.auth.encoding: must be hex or base64"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"{{secret}}\"}"),
     "settings.auth.sign: value \"secret\" does not exist"},
    {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"a\",\"prefix\":\"{{body}}\"}"),
     "settings.auth.prefix: value \"body\" does not exist"},
    /* response */
    {HTTP_BAD_BODY("\"response\":[]"), "settings.response: must be an object"},
    {HTTP_BAD_BODY("\"response\":{\"otherwise\":1}"), "settings.response.otherwise: unknown setting"},
    {HTTP_BAD_BODY("\"response\":{\"reason\":\"error\"}"),
     "settings.response.reason: must be a path such as $.a.b[0].c"},
    {HTTP_BAD_BODY("\"response\":{\"sent\":true}"), "settings.response.sent: must be an object"},
    {HTTP_BAD_BODY("\"response\":{\"rules\":{}}"), "settings.response.rules: must be a list"},
    {HTTP_BAD_SENT("\"verdict\":\"sent\""), "settings.response.sent.verdict: unknown setting"},
    {HTTP_BAD_SENT("\"status\":200"), "settings.response.sent.status: must be a list"},
    {HTTP_BAD_SENT("\"status\":[]"), "settings.response.sent.status: must not be empty"},
    {HTTP_BAD_SENT("\"status\":[200,99]"),
     "settings.response.sent.status[1]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"status\":[600]"),
     "settings.response.sent.status[0]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"status\":[\"200\"]"),
     "settings.response.sent.status[0]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"status\":[\"6xx\"]"),
     "settings.response.sent.status[0]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"status\":[null]"),
     "settings.response.sent.status[0]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"status\":[4294967496]"),
     "settings.response.sent.status[0]: must be 100 to 599, or \"1xx\" to \"5xx\""},
    {HTTP_BAD_SENT("\"json\":[]"), "settings.response.sent.json: must be an object"},
    {HTTP_BAD_SENT("\"json\":{\"code\":[0]}"),
     "settings.response.sent.json: \"code\" is not a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"json\":{\"$\":[0]}"),
     "settings.response.sent.json: \"$\" is not a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"json\":{\"$.a[*]\":[0]}"),
     "settings.response.sent.json: \"$.a[*]\" is not a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"json\":{\"$.a..b\":[0]}"),
     "settings.response.sent.json: \"$.a..b\" is not a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"json\":{\"$.code\":0}"),
     "settings.response.sent.json.$.code: must be a list that is not empty"},
    {HTTP_BAD_SENT("\"json\":{\"$.code\":[]}"),
     "settings.response.sent.json.$.code: must be a list that is not empty"},
    {HTTP_BAD_SENT("\"json\":{\"$.code\":[0,null]}"),
     "settings.response.sent.json.$.code[1]: must be a string, a whole number, true or false"},
    {HTTP_BAD_SENT("\"json\":{\"$.code\":[0.5]}"),
     "settings.response.sent.json.$.code[0]: must be a string, a whole number, true or false"},
    {HTTP_BAD_SENT("\"id\":\"message.id\""), "settings.response.sent.id: must be a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"cost\":\"$.price \""),
     "settings.response.sent.cost: must be a path such as $.a.b[0].c"},
    {HTTP_BAD_SENT("\"currency\":\"won\""),
     "settings.response.sent.currency: must be a code such as KRW or a path such as $.a.b[0].c"},
    {HTTP_BAD_RULES("5"), "settings.response.rules[0]: must be an object"},
    {HTTP_BAD_RULES(HTTP_GOOD_RULE ",{\"status\":[429]}"), "settings.response.rules[1].verdict: is required"},
    {HTTP_BAD_RULES(HTTP_GOOD_RULE "," HTTP_GOOD_RULE ",{\"status\":[429],\"verdict\":\"maybe\"}"),
     "settings.response.rules[2].verdict: \"maybe\" is not a verdict"},
    {HTTP_BAD_RULES("{\"status\":[429],\"verdict\":\"unsent\"}"),
     "settings.response.rules[0].verdict: \"unsent\" is not a verdict"},
    {HTTP_BAD_RULES("{\"status\":[429],\"verdict\":\"refresh\"}"),
     "settings.response.rules[0].verdict: \"refresh\" is not a verdict"},
    {HTTP_BAD_RULES("{\"verdict\":\"rejected\"}"), "settings.response.rules[0]: must have status or json"},
    {HTTP_BAD_RULES("{\"json\":{},\"verdict\":\"rejected\"}"),
     "settings.response.rules[0]: must have status or json"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"rejected\",\"wait\":5}"),
     "settings.response.rules[0].wait: goes with the verdicts retry and throttled"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"sent\",\"retry_after\":true}"),
     "settings.response.rules[0].retry_after: goes with the verdicts retry and throttled"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"retry\",\"wait\":0}"),
     "settings.response.rules[0].wait: must be 1 to 86400 seconds"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"retry\",\"wait\":86401}"),
     "settings.response.rules[0].wait: must be 1 to 86400 seconds"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"retry\",\"wait\":1.5}"),
     "settings.response.rules[0].wait: must be a whole number"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"retry\",\"retry_after\":1}"),
     "settings.response.rules[0].retry_after: must be true or false"},
    {HTTP_BAD_RULES("{\"status\":[400],\"verdict\":\"retry\",\"reason\":\"x\"}"),
     "settings.response.rules[0].reason: must be a path such as $.a.b[0].c"},
};

enum { BAD_HTTP_SETTINGS = sizeof bad_http_settings / sizeof bad_http_settings[0] };

/* Settings that use everything there is. */
#define GOOD_HTTP_SETTINGS                                                                                   \
    "{\"url\":\"https://api.hanbit.example:8443/\",\"method\":\"PUT\",\"ca_file\":\"/etc/ca.pem\","          \
    "\"path\":\"/v2/{{payload.account}}/messages?id={{ uuid }}&n={{attempt}}\",\"secret_env\":\"KEY\","      \
    "\"headers\":{\"X-Time\":\"{{timestamp}}\",\"x-note\":\"{{#payload.note}}n={{payload.note}}{{/"          \
    "payload.note}}\"},"                                                                                     \
    "\"body\":{\"to\":\"{{recipient_digits}}\",\"list\":[\"{{payload.text}}\",1,true,null,{}],\"n\":[]},"    \
    "\"content_type\":\"application/vnd.hanbit+json; charset=UTF-8\","                                       \
    "\"auth\":{\"type\":\"hmac\",\"header\":\"X-Signature\",\"algorithm\":\"sha1\",\"encoding\":\"base64\"," \
    "\"prefix\":\"date={{now}} "                                                                             \
    "signature=\",\"sign\":\"{{method}}\\n{{path}}\\n{{timestamp_ms}}\\n{{body}}\"},"                        \
    "\"response\":{\"reason\":\"$.error.text\","                                                             \
    "\"sent\":{\"status\":[200,\"3xx\"],\"json\":{\"$.result.code\":[\"0000\",0,true],\"$.x\":[\"\"]},"      \
    "\"id\":\"$.messages[0].id\",\"cost\":\"$.price\",\"currency\":\"$.cur-rency_1\"},"                      \
    "\"rules\":[{\"status\":[429],\"verdict\":\"throttled\",\"wait\":30,\"retry_after\":false,"              \
    "\"reason\":\"$[0]\"},{\"json\":{\"$.a\":[1]},\"verdict\":\"address_gone\"}]}}"

#endif
