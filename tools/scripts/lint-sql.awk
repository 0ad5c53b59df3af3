# lint-sql.awk FILE.sql …: names each object of SQL that is defined twice, and each that has two comments. Functions
# count by their name alone, because comments and rights name them so. And what stands in the wrong kind of file: only
# what is in RNN_subject.sql is applied again when it changes.

function found(object) {
    if (object ~ /^(function|procedure|aggregate|view|trigger) / && FILENAME !~ /\/R[^\/]*$/)
        print "place: " object " of " FILENAME ":" first " belongs into a file RNN_subject.sql"
    if (object ~ /^(table|type|domain|index|sequence) / && FILENAME ~ /\/R[^\/]*$/)
        print "place: " object " of " FILENAME ":" first " belongs into a file NNNN_subject.sql"
    if (object in where)
        print "twice: " object " is in " where[object] " and in " FILENAME ":" first
    else
        where[object] = FILENAME ":" first
}

# A statement may go over lines; what is needed of it ends where its body, list or text begins.
FNR == 1 { statement = "" }
statement == "" && tolower($0) ~ /^[ \t]*(create|comment on)[ \t]/ { statement = " "; first = FNR }
statement != "" {
    statement = statement " " $0
    words = tolower(statement)
    gsub(/[ \t]+/, " ", words)
    sub(/^ create (or replace )?/, "", words)
    sub(/ if not exists /, " ", words)
    if (match(words, /^ comment on (column|type|table|function|view|index|sequence|schema) [a-z0-9_."]+/)) {
        found(substr(words, 2, RLENGTH - 1))
        statement = ""
    } else if (words ~ /^(constraint )?trigger /) {
        if (match(words, / on [a-z0-9_."]+/)) {
            table = substr(words, RSTART, RLENGTH)
            sub(/^constraint /, "", words)
            split(words, word, " ")
            found("trigger " word[2] table)
            statement = ""
        }
    } else if (match(words, /^(unique )?(function|procedure|aggregate|view|table|type|domain|index|sequence) [a-z0-9_."]+/)) {
        words = substr(words, 1, RLENGTH)
        sub(/^unique /, "", words)
        found(words)
        statement = ""
    }
    if (statement ~ /;/)
        statement = ""
}
