#include "providers/adapter.h"

#include <string.h>

#include "providers/http/http.h"
#include "providers/http/webhook.h"
#include "providers/mail/mailgun.h"
#include "providers/mail/sendgrid.h"
#include "providers/mail/ses.h"
#include "providers/mail/smtp.h"
#include "providers/push/apns.h"
#include "providers/push/fcm.h"
#include "providers/push/webpush.h"
#include "providers/sms/nhn.h"
#include "providers/sms/sens.h"
#include "providers/sms/sns.h"
#include "providers/sms/solapi.h"
#include "providers/sms/twilio.h"
#include "providers/sms/vonage.h"

const struct adapter *const adapter_list[] = {
    &apns_adapter,    &fcm_adapter,  &webpush_adapter, &twilio_adapter,
    &vonage_adapter,  &sns_adapter,  &solapi_adapter,  &sens_adapter,
    &nhn_adapter,     &smtp_adapter, &ses_adapter,     &sendgrid_adapter,
    &mailgun_adapter, &http_adapter, &webhook_adapter, NULL};

const struct adapter *adapter_find(const char *name)
{
    for (size_t i = 0; adapter_list[i] != NULL; i++) {
        if (strcmp(adapter_list[i]->name, name) == 0)
            return adapter_list[i];
    }
    return NULL;
}
