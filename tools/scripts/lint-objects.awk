# The rules of lint-objects. Reads its facts: a word for what a line says, then the file or folder it is about.

function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
function base(path) { sub(/.*\//, "", path); return path }
function layer(path,    part) { split(path, part, "/"); return part[1] "/" part[2] }
function is_test(path) { return path ~ /^tests\// && path !~ /^tests\/support\// }
function begins_with(name, word) { return name == word || index(name, word "_") == 1 }

function fault(text) { faults++; print text | "sort >&2" }

function excused(exception) {
    needed[exception] = 1
    return exception in exceptions
}

$1 == "layer" {
    layer_of[base($2)] = $2
    for (i = 2; i <= NF; i++)
        may_know[$2, $i] = 1
}
$1 == "except" { sub(/^except /, ""); exceptions[$0] = 1 }
$1 == "type" { types[folder($2)] = types[folder($2)] " " $3 }
$1 == "include" && !is_test($2) { sub(/\/$/, "", $3); knows($2, layer_of[$3], "it includes " $3 "/") }
$1 == "symbol" && $4 == "U" { uses++; user[uses] = $2; used[uses] = $3 }
$1 == "symbol" && $4 != "U" && $3 !~ /^(main$|__)/ && !is_test($2) { defines($2, $3) }

function knows(file, to, how) {
    if (to == "" || to ~ /^gen\// || (layer(file), to) in may_know || (file, to) in told)
        return
    told[file, to] = 1
    if (!excused("layer " file " " to))
        fault("layer: " file " must not know " to ": " how)
}

function defines(file, name) {
    exports++
    export[exports] = name
    exporter[exports] = file
    if (!(file in number)) {
        number[file] = ++files
        file_of[files] = file
    }
    if (name in home && !excused("clash " name))
        fault("clash: " name " is in " home[name] " and in " file)
    home[name] = file
    home_in[layer(file), name] = file
}

function check_name(file, name,    words, count, prefix, i) {
    count = split(base(substr(file, 1, length(file) - 2)), words, "_")
    for (i = 1; i <= count; i++) {
        prefix = prefix (i > 1 ? "_" : "") words[i]
        if (begins_with(name, prefix) || begins_with(name, singular(prefix)))
            return
    }
    count = split(base(folder(file)) types[folder(file)], words, " ")
    for (i = 1; i <= count; i++)
        if (begins_with(name, words[i]))
            return
    if (!excused("name " name))
        fault("name: " name " of " file " begins with the name of neither file nor folder nor of a type there")
}
function singular(word) { sub(/s$/, "", word); return word }

function check_use(file, name) {
    if (name in used_by_file)
        return
    if (!(name in used_by_test) && !excused("unused " name))
        fault("unused: only " file " itself may use " name ": make it static, or delete it")
    else if (file !~ /^tests\// && !excused("unused " name))
        fault("unused: only tests use " name " of " file)
}

function resolve(from, name,    to) {
    to = (layer(from), name) in home_in ? home_in[layer(from), name] : home[name]
    if (to == "")
        return
    if (is_test(from)) {
        used_by_test[name] = 1
        return
    }
    used_by_file[name] = 1
    knows(from, layer(to), name)
    if (from in number && !((from, to) in arrow)) {
        arrow[from, to] = name
        target[from, ++targets[from]] = to
    }
}

# reach[a, b]: arrows lead from a to b.
function find_reach(    a, todo, from, to, i) {
    for (a = 1; a <= files; a++) {
        todo = 1
        queue[1] = file_of[a]
        for (from = 1; from <= todo; from++)
            for (i = 1; i <= targets[queue[from]]; i++) {
                to = target[queue[from], i]
                if (!((file_of[a], to) in reach)) {
                    reach[file_of[a], to] = 1
                    queue[++todo] = to
                }
            }
    }
}

function check_circle(members, count,    names, i, k) {
    for (i = 1; i <= count; i++)
        names = names " " members[i]
    in_circles += count
    summary = summary (summary == "" ? ": " : ", ") count " in " layer(members[1])
    if (excused("circle" names))
        return
    fault("circle: " count " files:" names)
    for (i = 1; i <= count; i++)
        for (k = 1; k <= count; k++)
            if ((members[i], members[k]) in arrow)
                fault("circle: " members[i] " -> " members[k] ": " arrow[members[i], members[k]])
}
function check_circles(    i, k, a, b, members, count) {
    find_reach()
    for (i = 1; i <= files; i++) {
        a = file_of[i]
        if (a in seen || !((a, a) in reach))
            continue
        count = 0
        for (k = i; k <= files; k++) {
            b = file_of[k]
            if ((a, b) in reach && (b, a) in reach) {
                seen[b] = 1
                members[++count] = b
            }
        }
        check_circle(members, count)
    }
}

END {
    for (i = 1; i <= uses; i++)
        resolve(user[i], used[i])
    for (i = 1; i <= exports; i++) {
        if (exporter[i] !~ /^gen\//)
            check_name(exporter[i], export[i])
        check_use(exporter[i], export[i])
    }
    check_circles()
    for (exception in exceptions)
        if (!(exception in needed))
            fault("lint.exceptions: nobody needs \"" exception "\"")
    print "lint: " in_circles + 0 " files in circles" summary
    exit faults > 0
}
