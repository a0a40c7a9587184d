package sqlite

import (
	"maps"
	"sync"

	"example.org/trawl/weburl"
)

// names remembers the IDs of hosts, lanes, submitters and segments: rows that are never removed.
type names struct {
	mu  sync.Mutex
	ids map[string]int64
}

const namesSize = 200_000

func newNames() *names { return &names{ids: map[string]int64{}} }

func (n *names) get(key string) (int64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.ids[key]
	return id, ok
}

func (n *names) put(m map[string]int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ids)+len(m) > namesSize {
		clear(n.ids)
	}
	maps.Copy(n.ids, m)
}

type nameKey struct {
	table string
	id    int64
}

// nameOf returns the name of a crawl or submitter. There are few of them, and they are never renamed.
func (t *tx) nameOf(table string, id int64) (string, error) {
	key := nameKey{table, id}
	if n, ok := t.w.nameOf[key]; ok {
		return n, nil
	}
	var name string
	_, err := t.row(`SELECT name FROM `+table+` WHERE id=?`, []any{id}, &name)
	if err == nil && name != "" { // not before it is certain that the row stays
		t.after = append(t.after, func() { t.w.nameOf[key] = name })
	}
	return name, err
}

// id returns the row of name in table, made if it is not there.
func (c *Catalog) id(t *tx, table, name string) (int64, error) {
	return c.remember(t, table+" "+name, func() (id int64, err error) {
		found, err := t.row(`SELECT id FROM `+table+` WHERE name=?`, []any{name}, &id)
		if err != nil || found {
			return id, err
		}
		_, err = t.row(`INSERT INTO `+table+` (name) VALUES (?) RETURNING id`, []any{name}, &id)
		if err == nil && table == "hosts" {
			_, err = t.exec(`UPDATE hosts SET site=? WHERE id=?`, weburl.Site(weburl.Hostname(name)), id)
		}
		return id, err
	})
}

// remember returns the ID that is known under key, or finds it. What is found is known to others once it is committed.
func (c *Catalog) remember(t *tx, key string, find func() (int64, error)) (int64, error) {
	if id, ok := c.names.get(key); ok {
		return id, nil
	}
	if id, ok := t.names[key]; ok {
		return id, nil
	}
	id, err := find()
	if err != nil {
		return 0, err
	}
	t.names[key] = id
	t.after = append(t.after, func() { c.names.put(map[string]int64{key: id}) })
	return id, nil
}
