// Prints the first "key" that Go's url.ParseQuery keeps of many queries, for the tests of src/credentials/query.rs.
//
//	go run query.go > query.tsv
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"strings"
)

// One query for each rule, and for each way to break it.
var chosen = []string{
	"", "&", "=", "%", ";", "+",
	"key", "key=", "key=v", "key=a=b", "=key", "==key", "key==v",
	"a=1&key=v&key=w", "key=&key=v", "key&key=v", "&&key=v", "key=v&&", "keykey=v", "ke&y=v",
	"%6bey=v", "%6Bey=v", "k%65y=v", "%6b%65%79=v", "%256bey=v", "key%3dv", "key%3D=v", "%26key=v",
	"KEY=v", "key[]=v", " key=v", "+key=v", "key+=v", "?key=v", "key%00=v", "%00key=v", "k\x00ey=v",
	"key=a+b%2Bc%2bd", "key=+", "key=++v+", "key=%20", "key=%2B",
	"key=%2", "key=%", "key=%%", "key=%%41", "key=%4%31", "key=% 41", "key=%+41", "key=%-1", "key=%0x41",
	"key=%zz&key=v", "key=v%&key=w", "k%zy=a&key=w", "key%=v&key=w", "key%zz=v&key=w", "key=%4g", "key=%g4",
	"key=%F", "key=%fF", "key=%\xff\xff", "key=%4\xff", "a=%zz&key=v", "%zz&key=v", "%zz;key=v",
	"x=1;key=v", "key=v;x=1", "key=v;&key=w", "key;=v&key=w", "key=%3B", ";key=v", "key=v;", ";&key=v",
	"key=%26%3D%25", "key=%2576", "key=?v", "key=v#f", "key=v/../w", "key=v%0d%0a", "key=v\r\n", "key=\x00v",
	"key=%ff", "key=%ff%00", "key=\xff", "\xff=1&key=\xfe\x00", "key=%c3%a9", "key=\xc3\xa9", "k\xc3\xa9y=v",
	"key=%EF%BF%BD", "\xef\xbb\xbfkey=v", "key=%F0%9F%94%91", "k\xe2\x80\x8bey=v",
	"key=" + strings.Repeat("k", 300), "key=" + strings.Repeat("%6b", 300), strings.Repeat("a&", 300) + "key=v",
	strings.Repeat("key%", 50) + "&key=v", "key=" + strings.Repeat("=", 50) + "&key=w",
}

// The pieces of random queries. A query has pairs of a name and a value, and a value has some pieces.
var (
	joints = []string{"&", "&", "&", "&", "&&", ";", "&;"}
	names  = []string{"key", "key", "key", "key", "key", "%6bey", "k%65y", "KEY", "key%zz", "%", "a", "\xff", ""}
	equals = []string{"=", "=", "=", "=", "=", "", "==", "%3d"}
	pieces = []string{
		"v", "w", "key", "41", "2", "zz", "+", "%", "%2", "%zz", "%00", "%26", "%3D", "%3b", "%25", "%2B", "%20", "%6B",
		"=", ";", "#", "?", "/", " ", "\x00", "\n", "\xff", "\xc3\xa9", "%ff", "%c3%a9", "\\",
	}
)

func main() {
	queries := append([]string{}, chosen...)
	random := rand.New(rand.NewSource(1))
	of := func(choice []string) string { return choice[random.Intn(len(choice))] }
	for n := 0; n < 400; n++ {
		query := ""
		for pairs := 1 + random.Intn(4); pairs > 0; pairs-- {
			query += of(names) + of(equals)
			for count := random.Intn(4); count > 0; count-- {
				query += of(pieces)
			}
			if pairs > 1 {
				query += of(joints)
			}
		}
		queries = append(queries, query)
	}

	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, "# The first \"key\" that Go's url.ParseQuery keeps of each query: =value, or - for none. Made by")
	fmt.Fprintln(out, "# `go run query.go > query.tsv`. Backslashes and bytes other than visible ASCII are written as \\xff.")
	known := map[string]bool{}
	for _, query := range queries {
		if known[query] {
			continue
		}
		known[query] = true
		// Go keeps the valid pairs of an invalid query.
		values, _ := url.ParseQuery(query)
		value := "-"
		if values.Has("key") {
			value = "=" + escaped(values.Get("key"))
		}
		fmt.Fprintf(out, "%s\t%s\n", escaped(query), value)
	}
}

func escaped(text string) string {
	var out strings.Builder
	for _, char := range []byte(text) {
		if char > ' ' && char < 0x7f && char != '\\' {
			out.WriteByte(char)
		} else {
			fmt.Fprintf(&out, `\x%02x`, char)
		}
	}
	return out.String()
}
