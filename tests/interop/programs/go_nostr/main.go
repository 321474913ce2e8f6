// go-nostr as a client: one JSON object a line, each answered with one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/keyer"
	"github.com/nbd-wtf/go-nostr/nip17"
	"github.com/nbd-wtf/go-nostr/nip46"
	"github.com/nbd-wtf/go-nostr/nip59"
	"github.com/nbd-wtf/go-nostr/nip77"
)

type draft struct {
	Kind      int             `json:"kind"`
	Content   string          `json:"content"`
	Tags      nostr.Tags      `json:"tags"`
	CreatedAt nostr.Timestamp `json:"created_at"`
}

func (d draft) event() nostr.Event {
	return nostr.Event{Kind: d.Kind, Content: d.Content, Tags: d.Tags, CreatedAt: d.CreatedAt}
}

type asked struct {
	Do, Url, Key, To, Text, Uri string
	Draft                       draft
	Event                       nostr.Event
	Filter                      nostr.Filter
	Held                        []nostr.Event
}

type object = map[string]any

// What a relay has, in memory, as nip77 asks for it.
type store struct {
	sync.Mutex
	held map[string]*nostr.Event
}

func (s *store) Publish(_ context.Context, event nostr.Event) error {
	s.Lock()
	defer s.Unlock()
	s.held[event.ID] = &event
	return nil
}

func (s *store) QuerySync(_ context.Context, filter nostr.Filter) (found []*nostr.Event, _ error) {
	s.Lock()
	defer s.Unlock()
	for _, event := range s.held {
		if filter.Matches(event) {
			found = append(found, event)
		}
	}
	return found, nil
}

func (s *store) QueryEvents(ctx context.Context, filter nostr.Filter) (chan *nostr.Event, error) {
	found, _ := s.QuerySync(ctx, filter)
	all := make(chan *nostr.Event, len(found))
	for _, event := range found {
		all <- event
	}
	close(all)
	return all, nil
}

type client struct {
	url, key string
	pool     *nostr.SimplePool
	signer   keyer.KeySigner
	news     chan *nostr.Event
	bunker   *nip46.BunkerClient
}

func (c *client) relay() (*nostr.Relay, error) { return c.pool.EnsureRelay(c.url) }

func (c *client) told(ctx context.Context, event nostr.Event) (object, error) {
	relay, err := c.relay()
	if err != nil {
		return nil, err
	}
	err = relay.Publish(ctx, event)
	if err != nil && strings.HasPrefix(err.Error(), "msg: auth-required:") {
		if err = relay.Auth(ctx, func(e *nostr.Event) error { return e.Sign(c.key) }); err == nil {
			err = relay.Publish(ctx, event)
		}
	}
	told := object{"event": event, "accepted": err == nil, "message": ""}
	if err != nil {
		told["message"] = err.Error()
	}
	return told, nil
}

func (c *client) query(ctx context.Context, filter nostr.Filter) ([]*nostr.Event, error) {
	found := []*nostr.Event{}
	for event := range c.pool.SubManyEose(ctx, []string{c.url}, nostr.Filters{filter}) {
		found = append(found, event.Event)
	}
	return found, nil
}

func (c *client) sent(ctx context.Context, event nostr.Event) error {
	told, err := c.told(ctx, event)
	if err == nil && told["accepted"] != true {
		err = fmt.Errorf("%s", told["message"])
	}
	return err
}

func (c *client) answer(ctx context.Context, a asked) (any, error) {
	switch a.Do {
	case "connect":
		c.url, c.key, c.news = a.Url, a.Key, make(chan *nostr.Event, 100)
		c.signer, _ = keyer.NewPlainKeySigner(a.Key)
		// The pool reads with this; publishing is the relay's own affair (`told`).
		sign := func(_ context.Context, e nostr.RelayEvent) error { return e.Event.Sign(c.key) }
		c.pool = nostr.NewSimplePool(context.Background(), nostr.WithAuthHandler(sign))
		_, err := c.relay()
		return nil, err
	case "write":
		event := a.Draft.event()
		if err := event.Sign(c.key); err != nil {
			return nil, err
		}
		return c.told(ctx, event)
	case "send":
		return c.told(ctx, a.Event)
	case "query":
		return c.query(ctx, a.Filter)
	case "listen":
		relay, err := c.relay()
		if err != nil {
			return nil, err
		}
		sub, err := relay.Subscribe(context.Background(), nostr.Filters{a.Filter})
		if err != nil {
			return nil, err
		}
		stored := make(chan struct{})
		go func() {
			eose := sub.EndOfStoredEvents
			began := false
			for {
				select {
				case event := <-sub.Events:
					if began {
						c.news <- event
					}
				case <-eose:
					began, eose = true, nil
					close(stored)
				}
			}
		}()
		select {
		case <-stored:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "heard":
		select {
		case event := <-c.news:
			return event, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "count":
		relay, err := c.relay()
		if err != nil {
			return nil, err
		}
		return relay.Count(ctx, nostr.Filters{a.Filter})
	case "reconcile":
		held := &store{held: map[string]*nostr.Event{}}
		for _, event := range a.Held {
			held.Publish(ctx, event)
		}
		if err := nip77.NegentropySync(ctx, held, c.url, a.Filter); err != nil {
			return nil, err
		}
		ids := []string{}
		found, _ := held.QuerySync(ctx, a.Filter)
		for _, event := range found {
			ids = append(ids, event.ID)
		}
		return ids, nil
	case "write_message":
		_, wrap, err := nip17.PrepareMessage(ctx, a.Text, nostr.Tags{}, c.signer, a.To, nil)
		if err != nil {
			return nil, err
		}
		return nil, c.sent(ctx, wrap)
	case "read_messages":
		me, _ := c.signer.GetPublicKey(ctx)
		mine := nostr.Filter{Kinds: []int{nostr.KindGiftWrap}, Tags: nostr.TagMap{"p": []string{me}}}
		wraps, err := c.query(ctx, mine)
		letters := [][2]string{}
		for _, wrap := range wraps {
			rumor, err := nip59.GiftUnwrap(*wrap, func(from, text string) (string, error) {
				return c.signer.Decrypt(ctx, text, from)
			})
			if err != nil {
				return nil, err
			}
			letters = append(letters, [2]string{rumor.PubKey, rumor.Content})
		}
		return letters, err
	case "sign_by":
		if c.bunker == nil {
			life, own := context.Background(), nostr.GeneratePrivateKey()
			met := make(chan error, 1)
			go func() {
				bunker, err := nip46.ConnectBunker(life, own, a.Uri, c.pool, func(string) {})
				c.bunker = bunker
				met <- err
			}()
			select {
			case err := <-met:
				if err != nil {
					return nil, err
				}
			case <-ctx.Done():
				return nil, fmt.Errorf("the bunker does not answer")
			}
		}
		event := a.Draft.event()
		err := c.bunker.SignEvent(ctx, &event)
		return event, err
	}
	return nil, fmt.Errorf("no such verb")
}

func main() {
	one := &client{}
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var given asked
		answer := object{}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err = json.Unmarshal(line, &given); err == nil {
			answer["ok"], err = one.answer(ctx, given)
		}
		cancel()
		if err != nil {
			answer = object{"error": err.Error()}
		}
		text, _ := json.Marshal(answer)
		fmt.Println(string(text))
	}
}
