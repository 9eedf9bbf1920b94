test "$(sh encode.sh hub)" = "hello, hub" && echo "encode: ok"
