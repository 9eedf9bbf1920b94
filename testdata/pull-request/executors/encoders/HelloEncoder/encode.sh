# Encodes its arguments: one line a word.
for word in "$@"; do
  echo "hello, $word!"
done
