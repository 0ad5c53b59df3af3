-- Does one step of the audit, if one is due; says how many.
SELECT outbox.audit_step()
