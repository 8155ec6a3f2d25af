// A service that takes work from the gateway and reports back. Standard library only; Go 1.21 or newer.
//
//	PORT=4003 SECRET=whsec_... go run receiver.go
//
// SECRET is optional: with it reports are signed (Standard Webhooks), as `callbackAuth.secrets` of the service wants.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type execution struct {
	token string
	url   string // without the action at its end
	key   string
}

type acknowledgement struct {
	CancelRequested bool `json:"cancelRequested"`
}

var client = &http.Client{Timeout: 30 * time.Second}

// sign adds the fields of a Standard Webhooks signature over the raw bytes; none without a secret.
func sign(header http.Header, messageID string, body []byte) error {
	secret := os.Getenv("SECRET")
	if secret == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", messageID, timestamp)
	mac.Write(body)
	header.Set("webhook-id", messageID)
	header.Set("webhook-timestamp", timestamp)
	header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// report repeats a report until the gateway has acknowledged it. nil: the process was decided without it.
func report(e execution, action string, content any, status int) (*acknowledgement, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	// One id for all repeats, so that a report which arrives twice counts once.
	messageID := "msg_" + hex.EncodeToString(id)
	for attempt := 0; attempt < 8; attempt++ {
		request, err := http.NewRequest(http.MethodPost, e.url+"/"+action, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", "application/json")
		if action == "fail" {
			request.Header.Set("Content-Type", "application/problem+json")
		}
		request.Header.Set("Sticky-Execution", e.token)
		if status != 0 {
			request.Header.Set("Sticky-Result-Status", strconv.Itoa(status))
		}
		if err := sign(request.Header, messageID, body); err != nil {
			return nil, err
		}
		// An error says nothing about whether it arrived: the same report again.
		if response, err := client.Do(request); err == nil {
			said, readErr := io.ReadAll(response.Body)
			response.Body.Close()
			switch response.StatusCode {
			case http.StatusOK:
				var answer acknowledgement
				if readErr == nil && json.Unmarshal(said, &answer) == nil {
					return &answer, nil
				}
			case http.StatusConflict:
				return nil, nil
			case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
				http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			default: // 401, 413, 422: another try would be told the same
				return nil, fmt.Errorf("%s: %s", action, response.Status)
			}
		}
		time.Sleep(min(30*time.Second, 500*time.Millisecond<<attempt))
	}
	return nil, fmt.Errorf("%s was not acknowledged", action)
}

func work(e execution, month int) error {
	progress := map[string]any{"progress": map[string]any{"percent": 50, "message": "rendering"}}
	said, err := report(e, "heartbeat", progress, 0)
	if err != nil || said == nil || said.CancelRequested {
		return err
	}
	if month < 1 || month > 12 {
		_, err = report(e, "fail", map[string]any{"title": "No such month", "status": 422, "executed": "no"}, 0)
		return err
	}
	_, err = report(e, "complete", map[string]any{"url": "/reports/" + e.key + ".pdf"}, http.StatusCreated)
	return err
}

func serve(response http.ResponseWriter, request *http.Request) {
	token, url := request.Header.Get("Sticky-Execution"), request.Header.Get("Sticky-Callback-Url")
	var order struct {
		Month int `json:"month"`
	}
	slash := strings.LastIndex(url, "/")
	if token == "" || slash == -1 || json.NewDecoder(request.Body).Decode(&order) != nil {
		response.WriteHeader(http.StatusBadRequest)
		return
	}
	key := strings.Trim(request.Header.Get("Idempotency-Key"), `"`)
	// 202 with the token says: a report will follow.
	response.Header().Set("Sticky-Execution", token)
	response.WriteHeader(http.StatusAccepted)
	go func() {
		if err := work(execution{token, url[:slash], key}, order.Month); err != nil {
			log.Print(err)
		}
	}()
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "4003"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
