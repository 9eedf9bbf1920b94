test "$(sh index.sh word)" = "1: word" && echo "index: ok"
