// go-nostr's bunker, with the key in SIGNER_KEY, on the relay that is its argument.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip46"
)

func main() {
	ctx := context.Background()
	secret, url := os.Getenv("SIGNER_KEY"), os.Args[1]
	signer := nip46.NewStaticKeySigner(secret)
	pubkey, _ := nostr.GetPublicKey(secret)
	pool := nostr.NewSimplePool(ctx)
	filter := nostr.Filter{Kinds: []int{24133}, Tags: nostr.TagMap{"p": []string{pubkey}}}
	eose := make(chan struct{})
	go func() { <-eose; fmt.Println("bunker://" + pubkey + "?relay=" + url + "&secret=x") }()
	for event := range pool.SubscribeManyNotifyEOSE(ctx, []string{url}, filter, eose) {
		_, _, answer, err := signer.HandleRequest(ctx, event.Event)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		pool.PublishMany(ctx, []string{url}, answer)
	}
}
