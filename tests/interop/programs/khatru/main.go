// A khatru relay on loopback, its events in memory: prints its URL, and ends when its input does.
// With the word "auth" it wants to know who reads and writes.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/fiatjaf/eventstore/slicestore"
	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
)

func main() {
	store := &slicestore.SliceStore{}
	store.Init()
	relay := khatru.NewRelay()
	relay.Negentropy = true
	relay.StoreEvent = append(relay.StoreEvent, store.SaveEvent)
	relay.ReplaceEvent = append(relay.ReplaceEvent, store.ReplaceEvent)
	relay.QueryEvents = append(relay.QueryEvents, store.QueryEvents)
	relay.CountEvents = append(relay.CountEvents, store.CountEvents)
	relay.DeleteEvent = append(relay.DeleteEvent, store.DeleteEvent)
	if len(os.Args) > 1 && os.Args[1] == "auth" {
		unknown := func(ctx context.Context) (bool, string) {
			return khatru.GetAuthed(ctx) == "", "auth-required: who are you?"
		}
		relay.RejectEvent = append(relay.RejectEvent,
			func(ctx context.Context, _ *nostr.Event) (bool, string) { return unknown(ctx) })
		relay.RejectFilter = append(relay.RejectFilter,
			func(ctx context.Context, _ nostr.Filter) (bool, string) { return unknown(ctx) })
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, relay)
	fmt.Printf("ws://%s\n", listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}
