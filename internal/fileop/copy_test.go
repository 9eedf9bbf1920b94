package fileop_test

import (
	"strings"
	"testing"
)

const sampleContext = `
	d 0755 0:0 src
	d 0750 0:0 src/sub
	f 0644 0:0 src/a.txt a
	f 0755 0:0 src/sub/b.sh b
	f 0600 0:0 top.txt top
	l 0777 0:0 link src
	l 0777 0:0 src/inner a.txt
`

const sampleBase = `
	d 0755 0:0 etc
	f 0644 0:0 etc/passwd "root:x:0:0::/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n"
	f 0644 0:0 etc/group "root:x:0:\nstaff:x:50:\n"
	d 0700 7:7 app
	f 0640 7:7 app/old old
`

// unchanged is the base in a listing.
const unchanged = `d 0755 0:0 base etc
f 0644 0:0 base etc/group "root:x:0:\nstaff:x:50:\n"
f 0644 0:0 base etc/passwd "root:x:0:0::/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n"
`

func TestCopy(t *testing.T) {
	t.Parallel()
	asRoot(t)
	cases := []struct {
		name, dockerfile string
		// want is without what is below etc, and without app where the build leaves it alone.
		want string
	}{
		{"a file to a path: its mode and time are the source's", "COPY top.txt /t", `
			d 0755 0:0 base .
			f 0600 0:0 context t top`},
		{"a file to a directory that is not there: it is made with mode 0755", "COPY top.txt /new/dir/", `
			d 0755 0:0 base .
			d 0755 0:0 created new
			d 0755 0:0 created new/dir
			f 0600 0:0 context new/dir/top.txt top`},
		{"a directory to one that is not there: it gets mode 0755 and the source's time", "COPY src /new", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			f 0644 0:0 context new/a.txt a
			l 0777 0:0 context new/inner a.txt
			d 0750 0:0 context new/sub
			f 0755 0:0 context new/sub/b.sh b`},
		{"a directory into one that is there: that one keeps mode and owner", "COPY src/sub /app", `
			d 0755 0:0 base .
			d 0700 7:7 context app
			f 0755 0:0 context app/b.sh b
			f 0640 7:7 base app/old old`},
		{"a file into a directory that is there: that one keeps its time", "COPY top.txt /app/", `
			d 0755 0:0 base .
			d 0700 7:7 base app
			f 0640 7:7 base app/old old
			f 0600 0:0 context app/top.txt top`},
		{"--chown by number is also for the directories that are made", "COPY --chown=1:2 top.txt /new/", `
			d 0755 0:0 base .
			d 0755 1:2 created new
			f 0600 1:2 context new/top.txt top`},
		{"--chown by user number alone: the group has that number too", "COPY --chown=5 top.txt /t", `
			d 0755 0:0 base .
			f 0600 5:5 context t top`},
		{"--chown by name: the user's own group", "COPY --chown=bob top.txt /t", `
			d 0755 0:0 base .
			f 0600 1000:1001 context t top`},
		{"--chown by both names", "COPY --chown=bob:staff top.txt /t", `
			d 0755 0:0 base .
			f 0600 1000:50 context t top`},
		{"--chown by a name that is not there is root", "COPY --chown=nobody:staff top.txt /t", `
			d 0755 0:0 base .
			f 0600 0:50 context t top`},
		{"--chmod in octal is also for the directories that are made", "COPY --chmod=2711 top.txt /new/", `
			d 0755 0:0 base .
			d 0711 0:0 created new
			f 2711 0:0 context new/top.txt top`},
		{"--chmod with letters starts from each file's own mode", "COPY --chmod=go=u,o-w src/sub /new", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			f 0775 0:0 context new/b.sh b`},
		{"a link as the source is followed", "COPY link /new", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			f 0644 0:0 context new/a.txt a
			l 0777 0:0 context new/inner a.txt
			d 0750 0:0 context new/sub
			f 0755 0:0 context new/sub/b.sh b`},
		{"a wildcard takes directories' contents", "COPY s*/s* /new/", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			f 0755 0:0 context new/b.sh b`},
		{"a wildcard without matches copies nothing", "COPY *.nothing /new/", `d 0755 0:0 base .`},
		{"--exclude goes below the source", "COPY --exclude=**/*.sh --exclude=inner src /new", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			f 0644 0:0 context new/a.txt a
			d 0750 0:0 context new/sub`},
		{"--exclude with an exception makes a directory for what is in it", "COPY --exclude=* --exclude=!sub/b.sh src /new", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			d 0750 0:0 created new/sub
			f 0755 0:0 context new/sub/b.sh b`},
		{"--parents keeps the path and its modes", "COPY --parents src/sub/b.sh /new/", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			d 0755 0:0 created new/src
			d 0750 0:0 created new/src/sub
			f 0755 0:0 context new/src/sub/b.sh b`},
		{"--parents keeps the path after a dot alone", "COPY --parents src/./*/b.sh /new/", `
			d 0755 0:0 base .
			d 0755 0:0 context new
			d 0750 0:0 created new/sub
			f 0755 0:0 context new/sub/b.sh b`},
		{"--parents into directories that are there leaves their times", "COPY --parents top.txt /app/", `
			d 0755 0:0 base .
			d 0700 7:7 context app
			f 0640 7:7 base app/old old
			f 0600 0:0 context app/top.txt top`},
		{"several sources in one line", "COPY src/a.txt top.txt /new/", `
			d 0755 0:0 base .
			d 0755 0:0 created new
			f 0644 0:0 context new/a.txt a
			f 0600 0:0 context new/top.txt top`},
		{"a file is replaced by a file", "COPY top.txt /app/old", `
			d 0755 0:0 base .
			d 0700 7:7 base app
			f 0600 0:0 context app/old top`},
		{"a here-document", "COPY <<EOF /new/doc\nhi\nEOF", `
			d 0755 0:0 base .
			d 0755 0:0 created new
			f 0644 0:0 created new/doc "hi\n"`},
		{"a here-document with an owner and a mode", "COPY --chown=1 --chmod=700 <<EOF /doc\nhi\nEOF", `
			d 0755 0:0 base .
			f 0700 1:1 created doc "hi\n"`},
		{"WORKDIR makes directories with mode 0755", "WORKDIR /w/x", `
			d 0755 0:0 base .
			d 0755 0:0 created w
			d 0755 0:0 created w/x`},
		{"WORKDIR belongs to USER", "USER bob\nWORKDIR /w", `
			d 0755 0:0 base .
			d 0755 1000:1001 created w`},
		{"a path from WORKDIR on", "WORKDIR /w\nCOPY top.txt t", `
			d 0755 0:0 base .
			d 0755 0:0 created w
			f 0600 0:0 context w/t top`},
		{"--from keeps owners", "COPY --from=other /app /new", `
			d 0755 0:0 base .
			d 0755 0:0 base new
			f 0640 7:7 base new/old old`},
		{"ADD of a file that is no archive copies it", "ADD top.txt /t", `
			d 0755 0:0 base .
			f 0600 0:0 context t top`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, err := newBuild(tree(t, contextTime, sampleContext), tree(t, baseTime, sampleBase)).run(t, c.dockerfile)
			must(t, err)
			got := strings.Replace(list(t, dir), unchanged, "", 1)
			if !strings.Contains(c.want, " app") {
				got = strings.Replace(got, "d 0700 7:7 base app\nf 0640 7:7 base app/old old\n", "", 1)
			}
			want(t, got, c.want)
		})
	}
}

func TestCopyTo(t *testing.T) {
	t.Parallel()
	asRoot(t)
	cases := []struct{ name, context, base, dockerfile, want string }{
		{"a link to a directory in the image is followed inside of the image", "f 0644 0:0 a a", "l 0777 0:0 out /data\nd 0755 0:0 data", "COPY a /out/", `
			d 0755 0:0 base .
			d 0755 0:0 base data
			f 0644 0:0 context data/a a
			l 0777 0:0 base out /data`},
		{"a link that leads above the root stays below it", "f 0644 0:0 a a", "l 0777 0:0 out ../../../../deep", "COPY a /out/", `
			d 0755 0:0 base .
			d 0755 0:0 created deep
			f 0644 0:0 context deep/a a
			l 0777 0:0 base out ../../../../deep`},
		{"a link at the file's own place is followed", "f 0644 0:0 a a", "l 0777 0:0 t /data\nf 0600 0:0 data data", "COPY a /t", `
			d 0755 0:0 base .
			f 0644 0:0 context data a
			l 0777 0:0 base t /data`},
		{"a link at the place of a file in a directory is replaced", "d 0755 0:0 d\nf 0644 0:0 d/t a", "l 0777 0:0 t /data\nf 0600 0:0 data data", "COPY d /", `
			d 0755 0:0 context .
			f 0600 0:0 base data data
			f 0644 0:0 context t a`},
		{"a named pipe is copied as one, and never opened", "d 0755 0:0 d\np 0644 0:0 d/p", "", "COPY d /d", `
			d 0755 0:0 base .
			d 0755 0:0 context d
			p 0644 0:0 context d/p`},
		{"ADD of a named pipe does not open it either", "p 0644 0:0 p", "", "ADD p /p", `
			d 0755 0:0 base .
			p 0644 0:0 context p`},
		{"a named pipe in the image is replaced, not written to", "f 0644 0:0 a a", "p 0644 0:0 a", "COPY a /a", `
			d 0755 0:0 base .
			f 0644 0:0 context a a`},
		{"names with line ends and glob signs", `f 0644 0:0 "a\nb" x
			f 0644 0:0 "[x]" y`, "", "COPY . /d", `
			d 0755 0:0 base .
			d 0755 0:0 context d
			f 0644 0:0 context d/[x] y
			f 0644 0:0 context "d/a\nb" x`},
		{"hard links of a source stay hard links", "d 0755 0:0 d\nf 0644 0:0 d/a a\nh 0 0:0 d/b d/a", "", "COPY d /d", `
			d 0755 0:0 base .
			d 0755 0:0 context d
			f 0644 0:0 context d/a a
			f 0644 0:0 context d/b a`},
		{"directories are merged: nested ones get the source's mode", "d 0711 0:0 d\nd 0700 0:0 d/x\nf 0644 0:0 d/x/a a", "d 0755 3:3 d\nd 0755 3:3 d/x\nf 0644 3:3 d/x/b b", "COPY d /d", `
			d 0755 0:0 base .
			d 0755 3:3 context d
			d 0700 0:0 context d/x
			f 0644 0:0 context d/x/a a
			f 0644 3:3 base d/x/b b`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, err := newBuild(tree(t, contextTime, c.context), tree(t, baseTime, c.base)).run(t, c.dockerfile)
			must(t, err)
			want(t, list(t, dir), c.want)
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	asRoot(t)
	cases := []struct{ name, context, base, dockerfile, want string }{
		{"a source that is not there", "", "", "COPY missing /", `copy /missing to /: "/missing" is not there`},
		{"a directory on the way that is not there", "", "", "COPY no/*.txt /", `"/no/*.txt" is not there`},
		{"--parents of a path that is not there", "d 0755 0:0 a", "", "COPY --parents a/b /", `"/a/b" is not there`},
		{"--parents through a link", "d 0755 0:0 a\nf 0644 0:0 a/b b\nl 0777 0:0 l a", "", "COPY --parents l/./b /", `"/l/b" is not there`},
		{"a link that leads nowhere", "l 0777 0:0 l /nowhere", "", "COPY l /t", `"/l" is not there`},
		{"a loop of links", "l 0777 0:0 l l", "", "COPY l /t", "copy /l to /t: "},
		{"a directory in a file's place", "d 0755 0:0 d\nd 0755 0:0 d/x", "d 0755 0:0 d\nf 0644 0:0 d/x x", "COPY d /d", "cannot copy to non-directory: /d/x"},
		{"a file in a directory's place", "d 0755 0:0 d\nf 0644 0:0 d/x x", "d 0755 0:0 d\nd 0755 0:0 d/x", "COPY d /d", "cannot replace to directory /d/x with file"},
		{"a directory below a file", "f 0644 0:0 a a", "f 0644 0:0 f f", "COPY a /f/", "not a directory"},
		{"a list of users that is a named pipe", "f 0644 0:0 a a", "d 0755 0:0 etc\np 0644 0:0 etc/passwd", "COPY --chown=bob a /", "/etc/passwd: it is not a regular file"},
		{"an owner by name without an image", "f 0644 0:0 a a", "", "FROM scratch\nCOPY --chown=bob a /", `the owner "bob" cannot be looked up`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			contextDir, base := tree(t, contextTime, c.context), tree(t, baseTime, c.base)
			_, err := newBuild(contextDir, base).run(t, c.dockerfile)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), contextDir) {
				t.Errorf("the error has this machine's paths: %v", err)
			}
		})
	}
}

func TestWarnsOfUnknownUsers(t *testing.T) {
	t.Parallel()
	asRoot(t)
	b := newBuild(tree(t, contextTime, sampleContext), tree(t, baseTime, sampleBase))
	_, err := b.run(t, "COPY --chown=nobody:none top.txt /t")
	must(t, err)
	if got := strings.Join(b.warnings, "; "); !strings.Contains(got, `no user "nobody"`) || !strings.Contains(got, `no group "none"`) {
		t.Errorf("warnings: %q", got)
	}
}
