# Merges coverage reports (cobertura) and prints the line coverage of src: awk -f merge.awk REPORT... [-v least=90]
# A line is covered where any report has a hit. Exit code 1 where less than `least` percent is.
/<source>/ { root = $0; sub(/.*<source>/, "", root); sub(/<\/source>.*/, "", root) }

/<class / {
    file = $0
    sub(/.* filename="/, "", file)
    sub(/".*/, "", file)
    if (file !~ /^\//) file = root file
    # What the compiler's generators wrote stands elsewhere, and is not ours to test.
    inside = sub(/^.*\/src\//, "src/", file)
}

/<line / && inside {
    number = $0; sub(/.* number="/, "", number); sub(/".*/, "", number)
    hits = $0; sub(/.* hits="/, "", hits); sub(/".*/, "", hits)
    key = file SUBSEP number
    if (!(key in covered)) { covered[key] = 0; lines[file]++; total++ }
    if (hits > 0 && !covered[key]) { covered[key] = 1; good[file]++; sum++ }
}

END {
    if (!total) { print "There is no coverage report of src."; exit 1 }
    order = "sort -rn"
    for (file in lines) printf "%5d of %5d lines not covered: %s\n", lines[file] - good[file], lines[file], file | order
    close(order)
    percent = 100 * sum / total
    printf "Line coverage of src: %.2f %% (%d of %d lines)\n", percent, sum, total
    exit percent < least
}
