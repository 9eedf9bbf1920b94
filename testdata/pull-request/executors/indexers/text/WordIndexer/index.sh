# Numbers its arguments.
n=0
for word in "$@"; do
  n=$((n + 1))
  echo "$n: $word"
done
