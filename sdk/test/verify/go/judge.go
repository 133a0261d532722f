// A foreign judge of notes and proofs: golang.org/x/mod/sumdb, driven by lines of JSON. Used by go.test.ts only.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type task struct {
	Do    string // open, sign, record, tree
	Note  string
	Key   string
	Text  string
	Proof []tlog.Hash
	Size  int64
	Root  tlog.Hash
	Index int64
	Leaf  tlog.Hash
	From  int64
	Old   tlog.Hash
}

type verdict struct {
	OK   bool
	Text string
}

func judge(t task) (string, error) {
	switch t.Do {
	case "open":
		verifier, err := note.NewVerifier(t.Key)
		if err != nil {
			return "", err
		}
		opened, err := note.Open([]byte(t.Note), note.VerifierList(verifier))
		if err != nil {
			return "", err
		}
		return opened.Text, nil
	case "sign":
		signer, err := note.NewSigner(t.Key)
		if err != nil {
			return "", err
		}
		signed, err := note.Sign(&note.Note{Text: t.Text}, signer)
		return string(signed), err
	case "record":
		return "", tlog.CheckRecord(t.Proof, t.Size, t.Root, t.Index, t.Leaf)
	case "tree":
		return "", tlog.CheckTree(t.Proof, t.Size, t.Root, t.From, t.Old)
	}
	return "", fmt.Errorf("no such task")
}

func main() {
	var tasks []task
	if err := json.NewDecoder(os.Stdin).Decode(&tasks); err != nil {
		panic(err)
	}
	verdicts := make([]verdict, len(tasks))
	for i, t := range tasks {
		text, err := judge(t)
		if err != nil {
			text = err.Error()
		}
		verdicts[i] = verdict{err == nil, text}
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
