# What ignores a signal when it starts a program has the program ignore it too.
trap '' TERM
exec jina pod --uses config.yml "$@"
