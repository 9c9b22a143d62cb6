// Answers requests, one JSON object a line, as kube-apiserver's own libraries do: what managedFields become, what an apply makes of
// an object, and what patches do. record.py asks it; its answers are kept in recorded.json.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var thing = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}

type request struct {
	Do          string          `json:"do"`
	Manager     string          `json:"manager"`
	Subresource string          `json:"subresource"`
	Force       bool            `json:"force"`
	HasStatus   bool            `json:"has_status"`
	Live        json.RawMessage `json:"live"`
	Document    json.RawMessage `json:"document"`
	Patch       json.RawMessage `json:"patch"`
}

// One version, nothing to convert, nothing to default.
type plain struct{}

func (plain) Convert(_, _, _ interface{}) error { return nil }
func (plain) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (plain) ConvertFieldLabel(_ schema.GroupVersionKind, _, _ string) (string, string, error) {
	return "", "", errors.New("not used")
}
func (plain) Default(runtime.Object) {}
func (plain) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	object := &unstructured.Unstructured{Object: map[string]interface{}{}}
	object.SetGroupVersionKind(kind)
	return object, nil
}

type peer struct {
	models    map[string]*spec.Schema
	converter managedfields.TypeConverter
}

func main() {
	models := map[string]*spec.Schema{}
	if err := json.Unmarshal([]byte(os.Args[1]), &models); err != nil {
		panic(err)
	}
	converter, err := managedfields.NewTypeConverter(models, false)
	if err != nil {
		panic(err)
	}
	asked, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asks request
		if err := asked.Decode(&asks); err != nil {
			return
		}
		answer := map[string]interface{}{}
		result, err := peer{models, converter}.answer(asks)
		if err != nil {
			answer["error"] = err.Error()
		} else {
			answer["document"] = result
		}
		if err := answers.Encode(answer); err != nil {
			panic(err)
		}
	}
}

func (p peer) answer(asks request) (result interface{}, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	switch asks.Do {
	case "update", "apply":
		return p.manage(asks)
	case "json":
		patch, err := jsonpatch.DecodePatch(asks.Patch)
		if err != nil {
			return nil, err
		}
		patched, err := patch.Apply(asks.Document)
		return json.RawMessage(patched), err
	case "merge":
		patched, err := jsonpatch.MergePatch(asks.Document, asks.Patch)
		return json.RawMessage(patched), err
	case "strategic":
		meta := strategicpatch.PatchMetaFromOpenAPIV3{SchemaList: p.models, Schema: p.models["Thing"]}
		return strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(object(asks.Document), object(asks.Patch), meta)
	}
	return nil, fmt.Errorf("cannot do %q", asks.Do)
}

func (p peer) manage(asks request) (interface{}, error) {
	manager, err := managedfields.NewDefaultCRDFieldManager(
		p.converter, plain{}, plain{}, plain{}, thing, thing.GroupVersion(), asks.Subresource, reset(asks))
	if err != nil {
		return nil, err
	}
	live, _ := plain{}.New(thing)
	if len(asks.Live) > 0 && string(asks.Live) != "null" {
		live = &unstructured.Unstructured{Object: object(asks.Live)}
	}
	document := &unstructured.Unstructured{Object: object(asks.Document)}
	var managed runtime.Object
	if asks.Do == "update" {
		managed, err = manager.Update(live, document, asks.Manager)
	} else {
		managed, err = manager.Apply(live, document, asks.Manager, asks.Force)
	}
	if err != nil {
		return nil, err
	}
	return managed.(*unstructured.Unstructured).Object, nil
}

// As the handlers of custom resources have it.
func reset(asks request) map[fieldpath.APIVersion]fieldpath.Filter {
	if !asks.HasStatus {
		return nil
	}
	filter := fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))
	if asks.Subresource != "" {
		filter = fieldpath.NewIncludeMatcherFilter(fieldpath.MakePrefixMatcherOrDie("status"))
	}
	return map[fieldpath.APIVersion]fieldpath.Filter{fieldpath.APIVersion(thing.GroupVersion().String()): filter}
}

func object(raw json.RawMessage) map[string]interface{} {
	result := map[string]interface{}{}
	if err := kjson.Unmarshal(raw, &result); err != nil {
		panic(err)
	}
	return result
}
