-- Does the claim's transaction still live?
SELECT 1
